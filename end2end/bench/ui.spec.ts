import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { type Browser, type Page, expect, test } from '@playwright/test';
import { hydrated } from '../fixtures.ts';

/** All of it is set by `saltpeter-bench ui`, which has the server and reads the figures. */
const url = process.env['BENCH_URL'] ?? '';
const run = process.env['BENCH_RUN'] ?? '';
const bell = Number(process.env['BENCH_BELL']);
const result = process.env['BENCH_RESULT'] ?? '';

test.skip(url === '', 'cargo xtask bench ui starts it');
test.use({ baseURL: url });

/** Seconds that each measurement lasts. */
const LASTS = 8;
/** Loads of a page; the slowest counts. */
const LOADS = 5;

/** What a page counts of itself. */
interface Seen {
  tasks: number[];
  frames: number[];
}

/** Has every page count its long tasks, and its frames while it is told to. */
async function watch(page: Page): Promise<void> {
  await page.addInitScript(() => {
    const seen: Seen = { tasks: [], frames: [] };
    Object.assign(window, { seen });
    new PerformanceObserver((list) => {
      for (const entry of list.getEntries()) seen.tasks.push(entry.duration);
    }).observe({ type: 'longtask', buffered: true });
  });
}

/** Forgets what was counted. */
async function reset(page: Page): Promise<void> {
  await page.evaluate(() => {
    const { seen } = window as unknown as { seen: Seen };
    seen.tasks.length = 0;
    seen.frames.length = 0;
  });
}

async function seen(page: Page): Promise<Seen> {
  return page.evaluate(() => (window as unknown as { seen: Seen }).seen);
}

/** Waits until a page that was loaded has taken in all jobs and rests; its longest task until then. */
async function settled(page: Page): Promise<number> {
  await page.waitForTimeout(2_000);
  const longest = Math.max(0, ...(await seen(page)).tasks);
  await reset(page);
  return longest;
}

/** Milliseconds from the navigation to the first content, of `LOADS` loads. */
async function firstPaint(page: Page, path: string): Promise<number[]> {
  const times: number[] = [];
  for (let load = 0; load < LOADS; load += 1) {
    await page.goto(path);
    await hydrated(page);
    times.push(
      await page.evaluate(
        () =>
          new Promise<number>((resolve) => {
            new PerformanceObserver((list) => {
              const [first] = list.getEntriesByName('first-contentful-paint');
              if (first) resolve(first.startTime);
            }).observe({ type: 'paint', buffered: true });
          }),
      ),
    );
  }
  return times;
}

/** Counts the events that the page's socket brings. */
function events(page: Page): { count: number } {
  const heard = { count: 0 };
  page.on('websocket', (socket) => {
    socket.on('framereceived', ({ payload }) => {
      if (typeof payload === 'string') heard.count += payload.match(/"seq":/g)?.length ?? 0;
    });
  });
  return heard;
}

/** Has the machines of the running jobs end, one after the other. Each end is an event for every page. */
async function ring(): Promise<void> {
  const socket = connect(bell, '127.0.0.1');
  await once(socket, 'connect');
  socket.destroy();
}

/** Turns the wheel for a while, and gives the times from frame to frame. */
async function scroll(page: Page): Promise<number[]> {
  await page.mouse.move(600, 400);
  await reset(page);
  await page.evaluate((seconds) => {
    const { frames } = (window as unknown as { seen: Seen }).seen;
    const end = performance.now() + seconds * 1000;
    let before = performance.now();
    const frame = (now: number) => {
      frames.push(now - before);
      before = now;
      if (now < end) requestAnimationFrame(frame);
    };
    requestAnimationFrame((now) => {
      before = now;
      requestAnimationFrame(frame);
    });
  }, LASTS);
  const end = performance.now() + LASTS * 1000;
  let down = true;
  for (let turn = 0; performance.now() < end; turn += 1) {
    if (turn % 100 === 99) down = !down;
    await page.mouse.wheel(0, down ? 120 : -120);
  }
  return (await seen(page)).frames;
}

/** A page that only has as many rows, and no script: what this machine's browser can do at best. */
async function bareTable(browser: Browser): Promise<Page> {
  const page = await browser.newPage();
  await watch(page);
  const row = `<tr>${'<td>something of a job</td>'.repeat(8)}</tr>`;
  await page.goto(`data:text/html,<div style="height:100vh;overflow:auto"><table>${row.repeat(400)}</table></div>`);
  return page;
}

function p95(times: number[]): number {
  const sorted = [...times].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length * 0.95)] ?? Number.NaN;
}

/** What the page's process has for itself, in bytes: of the renderers the one that has worked most. */
async function memory(browser: Browser, page: Page): Promise<{ process: number; heap: number }> {
  const tab = await page.context().newCDPSession(page);
  await tab.send('HeapProfiler.collectGarbage');
  const { usedSize } = await tab.send('Runtime.getHeapUsage');
  const whole = await browser.newBrowserCDPSession();
  const { processInfo } = await whole.send('SystemInfo.getProcessInfo');
  const renderers = processInfo.filter(({ type }) => type === 'renderer').sort((a, b) => b.cpuTime - a.cpuTime);
  const busiest = renderers[0];
  if (busiest === undefined) throw new Error('there is no renderer');
  const rollup = readFileSync(`/proc/${busiest.id}/smaps_rollup`, 'utf8');
  const lines = rollup.matchAll(/^Private_(?:Clean|Dirty):\s+(\d+) kB$/gm);
  const kib = [...lines].reduce((sum, [, text]) => sum + Number(text), 0);
  return { process: kib * 1024, heap: usedSize };
}

test('the dashboard with very much to show', async ({ page, browser }) => {
  page.on('pageerror', (error) => console.log(error));
  await watch(page);
  const heard = events(page);
  const pageBytes = (await (await page.request.get('/')).body()).length;

  const bare = await scroll(await bareTable(browser));
  const firstPaints = await firstPaint(page, '/');
  await expect(page.getByTestId('counters')).toContainText('10,001 jobs', { timeout: 30_000 });
  const loading = await settled(page);
  // What is counted is a page that has been open for a while: WASM is compiled anew, better, in its first seconds.
  await scroll(page);
  const frames = await scroll(page);

  await ring();
  await expect.poll(() => heard.count).toBeGreaterThan(0);
  heard.count = 0;
  const begun = performance.now();
  const withEvents = await scroll(page);
  const eventsPerSecond = (heard.count / (performance.now() - begun)) * 1000;
  const { tasks } = await seen(page);
  const jobs = await memory(browser, page);

  const runPage = `/runs/${run}`;
  const runPaints = await firstPaint(page, runPage);
  const runLoading = await settled(page);
  heard.count = 0;
  const killed = performance.now();
  await page.request.post(`/api/v1/runs/${run}/kill`, { data: {} });
  await expect(page.getByTestId('run-state')).not.toHaveAttribute('data-state', 'running', { timeout: 30_000 });
  const runEventsPerSecond = (heard.count / (performance.now() - killed)) * 1000;
  const { tasks: runTasks } = await seen(page);
  const runMemory = await memory(browser, page);

  const figures = {
    firstPaint: firstPaints,
    eventsPerSecond,
    longestWithEvents: Math.max(0, ...tasks),
    loadingLongest: Math.max(loading, runLoading),
    bareFrameP95: p95(bare),
    frameP95: p95(frames),
    frameP95WithEvents: p95(withEvents),
    memory: jobs.process,
    heap: jobs.heap,
    runFirstPaint: runPaints,
    runEventsPerSecond,
    runLongest: Math.max(0, ...runTasks),
    runMemory: runMemory.process,
    pageBytes,
  };
  console.log(figures);
  writeFileSync(result, JSON.stringify(figures));
});
