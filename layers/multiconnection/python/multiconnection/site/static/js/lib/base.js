// Where this page is served: everything of ours is below `base`, which is empty or a stage such as /prod.
const data = document.documentElement.dataset;

export const base = data.base || "";
export const apiBase = data.api || `${location.origin}${base}/v1`;
export const url = (path) => base + path;
