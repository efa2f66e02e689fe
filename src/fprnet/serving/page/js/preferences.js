// What this browser remembers between visits: language, colours, single-key shortcuts.

const PREFIX = "fprnet.";

/** A browser may forbid storage (private mode, policy); the page works without it. */
function storage() {
  try {
    return window.localStorage;
  } catch {
    return null;
  }
}

export function remembered(name) {
  return storage()?.getItem(PREFIX + name) ?? null;
}

export function remember(name, value) {
  try {
    storage()?.setItem(PREFIX + name, value);
  } catch {
    // Full or forbidden: the choice holds until the page is closed.
  }
}
