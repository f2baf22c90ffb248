// Icons as paths of a 20-pixel grid, drawn in the colour of the text.
import { html } from "../lib/html.js";

const PATHS = {
  overview: "M3 10.5 10 4l7 6.5M5 9v7h10V9",
  keys: "M8.5 11.5 16 4M13.5 6.5l2 2M11 9l1.5 1.5M8.6 11.4a3 3 0 1 1-4.2 4.2 3 3 0 0 1 4.2-4.2",
  usage: "M4 16V9M8 16V4M12 16v-5M16 16V7",
  billing: "M3 6h14v9H3zM3 9h14M6 12.5h3",
  playground: "M4 5h12v8H9l-4 3v-3H4z",
  settings: "M4 6h7M15 6h1M4 10h1M9 10h7M4 14h7M15 14h1M13 4.5v3M7 8.5v3M13 12.5v3",
  orders: "M5 3h10v14l-2.5-1.5L10 17l-2.5-1.5L5 17zM8 7h4M8 10h4",
  accounts: "M10 9a3 3 0 1 0 0-6 3 3 0 0 0 0 6M4 17c.5-3.5 2.500-5 6-5s5.500 1.500 6 5",
  models: "M10 3l6 3.500v7L10 17l-6-3.500v-7zM4 6.500l6 3.500 6-3.500M10 10v7",
  providers: "M4 4h12v5H4zM4 11h12v5H4zM6.500 6.500h.1M6.500 13.500h.1",
  revenue: "M4 15l4-5 3 3 5-7M12 6h4v4",
  reconciliation: "M10 3v14M5 6h10M5 6l-2.500 5h5zM15 6l-2.500 5h5z",
  audit: "M5 3h7l3 3v11H5zM8 9h4M8 12h4",
  close: "M5 5l10 10M15 5 5 15",
  check: "M4 10.500l4 4 8-9",
  copy: "M7 7h9v9H7zM4 13V4h9",
  plus: "M10 4v12M4 10h12",
  down: "M5 8l5 5 5-5",
  download: "M10 4v8M6 9l4 4 4-4M4 16h12",
  user: "M10 9a3 3 0 1 0 0-6 3 3 0 0 0 0 6M4 17c.5-3.5 2.500-5 6-5s5.500 1.500 6 5",
  sun: "M10 6.500a3.500 3.500 0 1 0 0 7 3.500 3.500 0 0 0 0-7M10 2v2M10 16v2M2 10h2M16 10h2M4.300 4.300l1.400 1.400M14.300 14.300l1.400 1.400M4.300 15.700l1.400-1.400M14.300 5.700l1.400-1.400",
  moon: "M16 11.500A6.500 6.500 0 0 1 8.500 4a6.500 6.500 0 1 0 7.500 7.500",
  stop: "M6 6h8v8H6z",
};

export const Icon = ({ name }) => html`<svg class="icon" viewBox="0 0 20 20" aria-hidden="true" fill="none" stroke="currentColor"
  stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round"><path d=${PATHS[name]} /></svg>`;
