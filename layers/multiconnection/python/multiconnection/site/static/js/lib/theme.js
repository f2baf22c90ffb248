// The theme is kept in a cookie, so that the server can send the right one and nothing flashes.
import { base } from "./base.js";

const root = document.documentElement;
const YEAR_S = 31536000;

export function isDark() {
  return root.dataset.theme ? root.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

export function toggleTheme() {
  root.dataset.theme = isDark() ? "light" : "dark";
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `mc_theme=${root.dataset.theme}; Path=${base || "/"}; Max-Age=${YEAR_S}; SameSite=Lax${secure}`;
  dispatchEvent(new Event("themechange"));
}
