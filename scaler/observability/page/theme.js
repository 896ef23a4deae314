// Light or dark, as the system says or as chosen here; loaded before the page is drawn, so that it does not flash.
(() => {
  const key = "scaler.theme";
  const read = () => {
    try {
      return localStorage.getItem(key);
    } catch {
      return null; // storage may be forbidden
    }
  };
  const show = (theme) => {
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
  };
  show(read());
  addEventListener("DOMContentLoaded", () => {
    const themes = document.getElementById("themes");
    const chosen = document.documentElement.dataset.theme ?? "auto";
    themes.querySelector(`input[value="${chosen}"]`).checked = true;
    themes.addEventListener("change", (event) => {
      show(event.target.value);
      try {
        localStorage.setItem(key, event.target.value);
      } catch {
        // it holds for this visit
      }
    });
  });
})();
