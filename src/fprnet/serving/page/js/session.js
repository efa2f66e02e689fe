// Who the operator is to the service, and what the gallery holds.

import { call, currentKey, forgetKey, onKeyNeeded, useKey } from "./api.js";
import { whenBack } from "./connection.js";
import { byId, show } from "./dom.js";
import { number } from "./format.js";
import { describeProblem, notify, settle } from "./notices.js";
import { changed, on, state } from "./state.js";
import { knows, onLanguage, say } from "./texts.js";

const KEY = /^[\x21-\x7e]+$/; // what can be sent

let answerKey = null; // settles the promise of the question that is open

/** Ask for a key, as often as the service refuses the one that was given. */
function askForKey(code) {
  const refused = code !== "key_missing" && currentKey() !== null;
  forgetKey();
  byId("key-why").textContent = say(refused && knows(`problem.${code}`) ? `problem.${code}` : "key.why");
  byId("key-input").value = "";
  byId("key").showModal();
  return new Promise((resolve) => (answerKey = resolve));
}

function given(event) {
  event.preventDefault();
  const key = byId("key-input").value.trim();
  if (!KEY.test(key)) {
    byId("key-why").textContent = say(key ? "key.characters" : "key.empty");
    return;
  }
  useKey(key);
  settleQuestion(true);
  // Who asked first loads its own answer again; a new key may have another role.
  if (state.me !== null) setTimeout(refreshMe);
}

function settleQuestion(hasKey) {
  const answer = answerKey;
  answerKey = null;
  byId("key").close();
  byId("key-input").value = "";
  answer?.(hasKey);
}

async function refreshMe() {
  state.me = await call("GET", "v1/me");
  changed("me");
}

/** Load who we are and what the gallery holds; say what is wrong where that fails. */
export async function refreshGallery() {
  try {
    await refreshMe();
    state.gallery = await call("GET", "v1/gallery");
    settle("session");
    changed("gallery");
  } catch (error) {
    if (error.code === "unreachable") whenBack("session", refreshGallery, error);
    else {
      notify("session", () => ({
        ...describeProblem(error),
        actions: [{ icon: "retry", text: say("search.again"), run: refreshGallery }],
      }));
    }
  }
}

/** Give the key back: to use another one, or to leave the desk. */
function changeKey() {
  forgetKey();
  state.me = null;
  changed("me");
  refreshGallery();
}

function showSession() {
  const { me, gallery } = state;
  byId("gallery-line").textContent = gallery ? galleryLine(gallery) : say("page.purpose");
  show(byId("key-button"), me?.keys_required ?? false);
  if (!me?.keys_required) return;
  const role = knows(`role.${me.role}`) ? say(`role.${me.role}`) : me.role;
  byId("key-role").textContent = `${me.name} · ${role}`;
  const label = say("key.change", { name: me.name, role });
  byId("key-button").title = label;
  byId("key-button").setAttribute("aria-label", label);
}

function galleryLine({ records, cameras, calibrated }) {
  const seen = cameras.filter(({ value }) => value !== null).length;
  return [
    say("gallery.images", { count: records, total: number(records) }),
    say("gallery.cameras", { count: seen }),
    ...(calibrated ? [] : [say("gallery.uncalibrated")]),
  ].join(" · ");
}

export function prepareSession() {
  onKeyNeeded(askForKey);
  byId("key-form").addEventListener("submit", given);
  byId("key-cancel").addEventListener("click", () => settleQuestion(false));
  byId("key").addEventListener("cancel", () => settleQuestion(false));
  byId("key-button").addEventListener("click", changeKey);
  on("me", showSession);
  on("gallery", showSession);
  onLanguage(showSession);
}
