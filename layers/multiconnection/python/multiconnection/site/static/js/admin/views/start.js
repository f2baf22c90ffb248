// The admin pages begin with what waits for a decision.
import { html, useEffect } from "../../lib/html.js";
import { at, navigate } from "../../lib/router.js";
import { Waiting } from "../../ui/view.js";

export default function Start() {
  useEffect(() => navigate(at("/orders"), { replace: true }), []);
  return html`<${Waiting} />`;
}
