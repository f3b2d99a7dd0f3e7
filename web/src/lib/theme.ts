/** Dark or light: what the system wants, or what was chosen, remembered for the next first look. */
import type { Theme } from "./types";

const KEY = "paddock.theme";

function shown(theme: Theme): void {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
}

/** Shows the theme of last time: called before anything is drawn. */
export function showTheme(): void {
  const theme = localStorage.getItem(KEY);
  if (theme === "dark" || theme === "light") shown(theme);
}

/** Shows `theme` from now on. */
export function keepTheme(theme: Theme): void {
  localStorage.setItem(KEY, theme);
  shown(theme);
}
