// Accounts, and the adjustments of their money, are two lists under one heading.
import { html } from "../lib/html.js";
import { at } from "../lib/router.js";
import { LinkTabs } from "../ui/basics.js";

const PLACES = { accounts: "/accounts", adjustments: "/accounts/adjustments" };

export const AccountTabs = ({ current }) => html`<${LinkTabs} label="Accounts" current=${current}
  tabs=${[["accounts", "All accounts"], ["adjustments", "Adjustments"]]} href=${(value) => at(PLACES[value])} />`;
