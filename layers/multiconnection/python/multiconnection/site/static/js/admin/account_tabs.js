// Accounts, those that wait for a test credit, and adjustments are three lists under one heading.
import { html } from "../lib/html.js";
import { at } from "../lib/router.js";
import { LinkTabs } from "../ui/basics.js";

const PLACES = { accounts: "/accounts", awaiting: "/accounts?awaiting=true", adjustments: "/accounts/adjustments" };

export const AccountTabs = ({ current }) => html`<${LinkTabs} label="Accounts" current=${current}
  tabs=${[["accounts", "All accounts"], ["awaiting", "Test credits"], ["adjustments", "Adjustments"]]} href=${(value) => at(PLACES[value])} />`;
