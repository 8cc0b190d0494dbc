// The theme and the zone of times on the pages that are plain forms, which have no WASM. The dashboard's own pages have them in
// app/src/components/frame.rs, which keeps the choices under the same keys, and app/src/format.rs. That all of them show the same
// is tested in end2end/tests/plain.spec.ts.
const THEMES = { auto: "◐", dark: "☾", light: "☀\ufe0e" };
const ZONES = { utc: "⇄ local", local: "⇄ UTC" };

// What this browser keeps; nothing where it keeps nothing.
function stored(key) {
  try {
    return localStorage.getItem(key) ?? "";
  } catch {
    return "";
  }
}

function store(key, value) {
  try {
    localStorage.setItem(key, value);
  } catch {
    // Then the choice holds for this page alone.
  }
}

function next(choices, now) {
  const words = Object.keys(choices);
  return words[(words.indexOf(now) + 1) % words.length];
}

const two = (number) => String(number).padStart(2, "0");

// Date and time of day in the chosen zone, and its name, as format.rs writes them.
function parts(at, zone) {
  const offset = zone === "local" ? -at.getTimezoneOffset() : 0;
  const [date, time] = new Date(at.getTime() + offset * 60_000).toISOString().split(/[T.]/);
  const minutes = Math.abs(offset);
  const name = offset === 0 ? "UTC" : `${offset < 0 ? "-" : "+"}${two(Math.floor(minutes / 60))}:${two(minutes % 60)}`;
  return { date, time, name };
}

const theme = document.querySelector(".bar .theme");
let chosen = Object.hasOwn(THEMES, stored("saltpeter.theme")) ? stored("saltpeter.theme") : "auto";

function showTheme() {
  document.documentElement.dataset.theme = chosen;
  theme.dataset.state = chosen;
  theme.textContent = THEMES[chosen];
  theme.title = `Theme: ${chosen}`;
  theme.setAttribute("aria-label", theme.title);
}

theme.addEventListener("click", () => {
  chosen = next(THEMES, chosen);
  store("saltpeter.theme", chosen);
  showTheme();
});

const clock = document.querySelector(".bar .clock");
const times = [...document.querySelectorAll("time[datetime]")].map((shown) => {
  // As exact as the server has written it.
  return { shown, exact: /:\d\d:\d\d/.test(shown.textContent) };
});
let zone = stored("saltpeter.zone") === "local" ? "local" : "utc";

function showClock() {
  const { time, name } = parts(new Date(), zone);
  clock.firstElementChild.textContent = `${time} ${name}`;
}

function showZone() {
  clock.dataset.state = zone;
  clock.lastElementChild.textContent = ZONES[zone];
  showClock();
  for (const { shown, exact } of times) {
    const { date, time, name } = parts(new Date(shown.dateTime), zone);
    shown.textContent = `${date} ${exact ? time : time.slice(0, 5)} ${name}`;
  }
}

clock.addEventListener("click", () => {
  zone = next(ZONES, zone);
  store("saltpeter.zone", zone);
  showZone();
});

showTheme();
showZone();
setInterval(showClock, 1000);
