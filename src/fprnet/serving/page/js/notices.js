// What the operator must know: notices that stay until they are settled, and a voice.

import { button, byId, element, icon, iconButton } from "./dom.js";
import { knows, onLanguage, say } from "./texts.js";

const notices = new Map();

/**
 * Show a notice, in place of an earlier one of the same name.
 * @param {string} name
 * @param {function(): {kind: string, icon: string, title: string, text: string, detail: string,
 *   actions: Array}} describe Called again when the language changes. `actions` are objects of icon,
 *   text and run.
 */
export function notify(name, describe) {
  notices.set(name, describe);
  render();
}

export function settle(...names) {
  const gone = names.filter((name) => notices.delete(name));
  if (gone.length) render();
}

/** Say something to a screen reader. */
export function announce(text) {
  byId("status").textContent = text;
}

function render() {
  byId("notices").replaceChildren(...[...notices].map(([name, describe]) => view(name, describe())));
}

function view(name, { kind = "warn", icon: picture = "warning", title, text, detail, actions = [] }) {
  const buttons = actions.map(({ icon: sign, text: words, run }) =>
    button(sign, words, run, { class: "slim" }),
  );
  return element(
    "div",
    { class: `notice ${kind}`, role: kind === "danger" ? "alert" : "status", dataset: { name } },
    icon(picture),
    element(
      "div",
      { class: "what" },
      element("strong", {}, title),
      text ? element("p", {}, text) : null,
      detail ? element("p", { class: "detail", lang: "en" }, detail) : null,
      buttons.length ? element("div", { class: "actions" }, ...buttons) : null,
    ),
    iconButton("wrong", say("notice.close"), () => settle(name), { class: "quiet square slim" }),
  );
}

/**
 * A failed request in plain words: what is wrong, what to do next, and the service's own sentence,
 * which names the value.
 */
export function describeProblem(error) {
  const known = knows(`problem.${error.code}`);
  const own = [error.detail, error.next].filter(Boolean).join("; ");
  return {
    kind: "danger",
    icon: error.code === "unreachable" ? "offline" : "warning",
    title: say(known ? `problem.${error.code}` : "problem.unknown"),
    text: say(known ? `problem.${error.code}.next` : "problem.unknown.next"),
    detail: own ? say("problem.service-says", { words: own }) : "",
  };
}

onLanguage(render);
