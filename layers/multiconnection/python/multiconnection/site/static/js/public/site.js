// What scripts add to the public pages: theme, copy buttons, a price table that answers while one types.
import { copy } from "../lib/copy.js";
import { toggleTheme } from "../lib/theme.js";
import { enhancePrices } from "./prices.js";

const SHOWN_MS = 1600;

for (const button of document.querySelectorAll("[data-theme-toggle]")) {
  button.addEventListener("click", toggleTheme);
}

for (const button of document.querySelectorAll("[data-copy]")) {
  const label = button.textContent;
  button.setAttribute("aria-live", "polite");
  button.addEventListener("click", async () => {
    const done = await copy(button.dataset.copy);
    button.textContent = done ? "Copied" : "Select and copy by hand";
    button.classList.toggle("copied", done);
    setTimeout(() => {
      button.textContent = label;
      button.classList.remove("copied");
    }, SHOWN_MS);
  });
}

document.querySelectorAll("[data-prices]").forEach(enhancePrices);
