// Hiding and erasing gallery images: only for who may erase, and only after a question that names it.

import { call } from "./api.js";
import { button, byId, element } from "./dom.js";
import { factsOf, nameOf } from "./matches.js";
import { announce, describeProblem, notify } from "./notices.js";
import { forget, showPicture } from "./pictures.js";
import { refreshGallery } from "./session.js";
import { changed, may, state } from "./state.js";
import { say } from "./texts.js";

const HEIGHT = 384; // pixels of the picture in the question, as on the card

/** The row under the details of a match; nothing for whom it is not. */
export function removalButtons(match) {
  if (!may("erase")) return [];
  return [
    element(
      "div",
      { class: "remove" },
      button("hide", say("hide.button"), () => ask("hide", match, hide), { class: "slim quiet" }),
      button("erase", say("erase.button"), () => ask("erase", match, erase), {
        class: "slim quiet erase",
      }),
    ),
  ];
}

/** A question that names the image; the harmless answer has the focus. */
function ask(what, match, run) {
  const dialog = byId("confirm");
  const no = button(null, say("confirm.no"), () => dialog.close(), { class: "quiet" });
  const yes = button(what, say(`${what}.yes`), () => decide(), {
    class: what === "erase" ? "danger" : "primary",
  });
  async function decide() {
    yes.disabled = true;
    const done = await run(match);
    if (done) dialog.close();
    yes.disabled = false;
  }
  const facts = [
    [say("confirm.image"), nameOf(match)],
    [say("confirm.file"), match.path],
    [say("confirm.known"), factsOf(match).map(({ text }) => text).join(" · ")],
    [say("confirm.id"), match.id],
  ];
  const picture = element("div", { class: "frame" });
  showPicture(picture, match, HEIGHT, nameOf(match));
  dialog.replaceChildren(
    element("h2", { id: "confirm-title" }, say(`${what}.title`)),
    element(
      "div",
      { id: "confirm-what" },
      element("p", {}, say(`${what}.text`)),
      element(
        "div",
        { class: "erased" },
        picture,
        element(
          "dl",
          { class: "facts small" },
          ...facts.flatMap(([term, text]) => [element("dt", {}, term), element("dd", {}, text)]),
        ),
      ),
    ),
    element("p", { class: "problem", id: "confirm-problem", role: "alert" }),
    element("div", { class: "buttons" }, no, yes),
  );
  dialog.showModal();
  no.focus();
}

async function send(method, match, json) {
  try {
    await call(method, `v1/gallery/images/${match.id}`, { json });
    return true;
  } catch (error) {
    const { title, text } = describeProblem(error);
    const told = byId("confirm").open ? byId("confirm-problem") : null;
    if (told) told.textContent = `${title} ${text}`;
    else notify("removal", () => describeProblem(error));
    return false;
  }
}

async function erase(match) {
  if (!(await send("DELETE", match))) return false;
  takeOut(match);
  forget(match.id);
  notify("removal", () => ({
    ...{ kind: "info", icon: "erase" },
    title: say("erase.done", { name: match.path }),
  }));
  return true;
}

async function hide(match) {
  if (!(await send("PATCH", match, { hidden: true }))) return false;
  takeOut(match);
  notify("removal", () => ({
    ...{ kind: "info", icon: "hide" },
    title: say("hide.done", { name: match.path }),
    actions: [{ icon: "undo", text: say("hide.undo"), run: () => unhide(match) }],
  }));
  return true;
}

async function unhide(match) {
  if (!(await send("PATCH", match, { hidden: false }))) return;
  notify("removal", () => ({
    ...{ kind: "info", icon: "eye" },
    title: say("hide.undone", { name: match.path }),
  }));
  refreshGallery();
}

/** The answer without the image; ranks stay as they were, so that nobody is misled by a gap closed. */
function takeOut(match) {
  const { answer } = state;
  state.marks.delete(match.id);
  state.undo = state.undo.filter(({ id }) => id !== match.id);
  state.answer = { ...answer, matches: answer.matches.filter(({ id }) => id !== match.id) };
  changed("answer");
  announce(say("removal.said", { rank: match.rank }));
  refreshGallery();
}
