// Runs before anything is drawn: the reader's own choice of colours, if there is one.
(() => {
  const root = document.documentElement;
  root.classList.add("js");
  try {
    const chosen = localStorage.getItem("stepaudit-theme");
    if (chosen === "dark" || chosen === "light") root.dataset.theme = chosen;
  } catch {
    // no storage in this browser: the system's colours
  }
})();
