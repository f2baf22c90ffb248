// What a view shows comes from one GET; the last good answer stays while a newer one is under way.
import { api } from "./api.js";
import { useCallback, useEffect, useRef, useState } from "./html.js";

// A poll that failed for a reason that passes is repeated, or what is shown would grow old without a word.
const AGAIN_MS = 15000;
const passes = ({ status }) => status === 0 || status === 429 || status >= 500;

const EMPTY = { data: null, error: null, loading: true };

// `path` null loads nothing. `poll(data)` says in how many milliseconds to ask again; 0 or nothing: not.
// Another path starts afresh, unless `keep` shows the old answer until the new one is there.
export function useResource(path, { poll, keep = false } = {}) {
  const [state, setState] = useState(EMPTY);
  const [turn, setTurn] = useState(0);
  const asked = useRef(null);
  const pollRef = useRef(poll);
  pollRef.current = poll;

  useEffect(() => {
    if (!path) {
      setState({ data: null, error: null, loading: false });
      return undefined;
    }
    const abort = new AbortController();
    const fresh = asked.current !== path && !keep;
    asked.current = path;
    let timer = 0;
    setState((old) => (fresh ? EMPTY : { ...old, loading: true }));
    api.get(path, { signal: abort.signal }).then(
      (data) => {
        setState({ data, error: null, loading: false });
        const wait = pollRef.current?.(data);
        if (wait) timer = setTimeout(() => setTurn((n) => n + 1), wait);
      },
      (error) => {
        if (error.name === "AbortError") return;
        setState((old) => ({ ...old, error, loading: false }));
        if (pollRef.current && passes(error)) timer = setTimeout(() => setTurn((n) => n + 1), Math.max(AGAIN_MS, error.retryAfter * 1000));
      },
    );
    return () => { abort.abort(); clearTimeout(timer); };
  }, [path, turn, keep]);

  const reload = useCallback(() => setTurn((n) => n + 1), []);
  useEffect(() => {
    addEventListener("online", reload);
    return () => removeEventListener("online", reload);
  }, []);
  const set = useCallback((data) => setState({ data, error: null, loading: false }), []);
  // In the render in which the path changes, the state is still the other path's.
  const stale = path && asked.current !== path && !keep;
  return { ...(stale ? EMPTY : state), reload, set };
}

// One thing that is done at a press: `run` never throws, `error` says what failed.
export function useAction(action) {
  const [state, setState] = useState({ busy: false, error: null });
  const running = useRef(false);
  const run = async (...args) => {
    if (running.current) return undefined;
    running.current = true;
    setState({ busy: true, error: null });
    try {
      const result = await action(...args);
      setState({ busy: false, error: null });
      return result ?? true;
    } catch (error) {
      setState({ busy: false, error });
      return undefined;
    } finally {
      running.current = false;
    }
  };
  return { ...state, run, clear: () => setState({ busy: false, error: null }) };
}

export function randomToken() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}
