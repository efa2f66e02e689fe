// Requests to the service that this page came from.

const KEY = "fprnet.key";

/**
 * A request that failed.
 * `code` is the service's stable word, or "unreachable" (no answer) or "unreadable" (an answer that
 * is not the service's); `wait` is in seconds, from Retry-After.
 */
export class ApiError extends Error {
  constructor(code, { status = 0, message = "", next = "", wait = null } = {}) {
    super(message || code);
    Object.assign(this, { code, status, next, wait, detail: message });
  }
}

export const isAborted = (error) => error.name === "AbortError";

let askForKey = async () => false;
let asking = null;

/** The function gets the code of a 401 answer; its promise says whether there is another key now. */
export function onKeyNeeded(ask) {
  askForKey = ask;
}

/** The key is forgotten when the tab is closed. */
export const currentKey = () => sessionStorage.getItem(KEY);
export const useKey = (key) => sessionStorage.setItem(KEY, key);
export const forgetKey = () => sessionStorage.removeItem(KEY);

/**
 * Send a request; ask for a key and send it again where the service wants one.
 * @param {string} method
 * @param {string} path Relative to the page, e.g. "v1/search".
 * @param {Object} [body] `json` or `form`, `signal` to abort, `as`: "json", "text" or "blob".
 * @returns {Promise<*>}
 * @throws {ApiError}
 */
export async function call(method, path, { json, form, signal, as = "json" } = {}) {
  for (;;) {
    const key = currentKey();
    const headers = {};
    if (key) headers.Authorization = `Bearer ${key}`;
    if (json) headers["Content-Type"] = "application/json";
    const body = json ? JSON.stringify(json) : form;
    const answer = await send(path, { method, headers, body, signal });
    if (answer.ok) return read(answer, as);
    const problem = await problemOf(answer);
    if (answer.status !== 401) throw problem;
    if (currentKey() !== key) continue; // another request has got a new key meanwhile
    asking ??= askForKey(problem.code).finally(() => (asking = null));
    if (!(await asking)) throw problem;
  }
}

async function send(path, options) {
  try {
    return await fetch(new URL(path, document.baseURI), {
      ...options,
      credentials: "omit",
      referrerPolicy: "no-referrer",
    });
  } catch (error) {
    throw isAborted(error) ? error : new ApiError("unreachable");
  }
}

async function read(answer, as) {
  try {
    return await answer[as]();
  } catch (error) {
    if (isAborted(error)) throw error;
    throw new ApiError(error instanceof SyntaxError ? "unreadable" : "unreachable");
  }
}

async function problemOf(answer) {
  const { status } = answer;
  const wait = Number(answer.headers.get("Retry-After")) || null;
  try {
    const { error } = await answer.json();
    return new ApiError(error.code, { status, wait, message: error.message, next: error.next });
  } catch (error) {
    if (isAborted(error)) throw error;
    return new ApiError("unreadable", { status, wait, message: `${status} ${answer.statusText}` });
  }
}

/** Whether the process answers at all. */
export async function isAlive() {
  try {
    await call("GET", "healthz?live=1", { as: "text" });
    return true;
  } catch (error) {
    return error.code !== "unreachable";
  }
}
