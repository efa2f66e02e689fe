// Right or wrong: what the operator decides about each match. Stored by the service, undone here.

import { call } from "./api.js";
import { whenBack } from "./connection.js";
import { announce, describeProblem, notify } from "./notices.js";
import { withSearch } from "./search.js";
import { changed, on, state } from "./state.js";
import { say } from "./texts.js";

const unsaved = new Map(); // "search id" -> {answer, id, verdict, before}: the newest mark of each
const underWay = new Set();

/** Whether a mark is not yet on the service's disk. */
export const isUnsaved = (id) => [...unsaved.values()].some((mark) => mark.id === id);

/** Mark a match; the same mark again takes it back. */
export function mark(id, verdict) {
  const before = state.marks.get(id) ?? "none";
  const after = before === verdict ? "none" : verdict;
  state.undo.push({ id, before });
  set(id, after, before);
  announce(say(`mark.said.${after}`, { rank: rankOf(id) }));
}

/** Take back the newest change of a mark. */
export function undo() {
  const last = state.undo.pop();
  if (!last) return;
  set(last.id, last.before, state.marks.get(last.id) ?? "none");
  announce(say("mark.undone", { rank: rankOf(last.id) }));
}

const rankOf = (id) => state.answer.matches.find((match) => match.id === id)?.rank ?? "–";

function show(id, verdict) {
  if (verdict === "none") state.marks.delete(id);
  else state.marks.set(id, verdict);
  changed("marks", id);
}

function set(id, verdict, before) {
  const { answer } = state;
  const name = `${answer.queries.map((query) => query.sha256)} ${id}`;
  // What is on the disk is what a refusal goes back to, not a mark that was never saved.
  unsaved.set(name, { answer, id, verdict, before: unsaved.get(name)?.before ?? before });
  show(id, verdict);
  save(name);
}

/** One request at a time for each match, so that the last mark is the one that stays. */
async function save(name) {
  if (underWay.has(name)) return;
  underWay.add(name);
  try {
    while (unsaved.has(name)) {
      const { answer, id, verdict } = unsaved.get(name);
      await withSearch(answer, (search) =>
        call("POST", "v1/feedback", { json: { search, match: id, verdict } }),
      );
      if (unsaved.get(name).verdict === verdict) {
        unsaved.delete(name);
        changed("marks", id);
      }
    }
  } catch (error) {
    failed(name, error);
  } finally {
    underWay.delete(name);
  }
}

function failed(name, error) {
  if (error.code === "unreachable") {
    whenBack(name, () => save(name), error);
    return;
  }
  const { answer, id, before } = unsaved.get(name);
  unsaved.delete(name);
  if (state.answer === answer) show(id, before);
  notify("mark", () => {
    const problem = describeProblem(error);
    return { ...problem, title: say("mark.not-saved"), text: `${problem.title} ${problem.text}` };
  });
}

/** A new answer tells what is stored; marks on their way there are newer. */
function keepUnsaved() {
  for (const { answer, id, verdict } of unsaved.values()) {
    const [one, other] = [answer, state.answer].map(({ queries }) => queries.map((q) => q.sha256));
    if (String(one) !== String(other)) continue;
    if (verdict === "none") state.marks.delete(id);
    else state.marks.set(id, verdict);
  }
}

export function prepareMarks() {
  on("answer", keepUnsaved);
  window.addEventListener("beforeunload", (event) => {
    if (unsaved.size) event.preventDefault();
  });
}

/** Stored marks as a table ("csv"), or as a data set to train with ("zip"). */
export async function exportMarks(format) {
  try {
    const blob = await call("GET", `v1/feedback?format=${format}`, { as: "blob" });
    const address = URL.createObjectURL(blob);
    const link = document.createElement("a");
    link.href = address;
    const day = new Date().toISOString().slice(0, 10);
    link.download = `fprnet-${format === "csv" ? "marks" : "training-set"}-${day}.${format}`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
    announce(say("mark.exported", { name: link.download }));
  } catch (error) {
    notify("export", () => describeProblem(error));
  }
}
