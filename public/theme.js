// Sets the theme that this browser has chosen, before anything is drawn. The key is the one in
// app/src/components/frame.rs.
try {
  const theme = localStorage.getItem("saltpeter.theme");
  if (theme === "dark" || theme === "light") {
    document.documentElement.dataset.theme = theme;
  }
} catch {
  // A browser that keeps nothing has nothing to say.
}
