// What the page knows at this moment, and who wants to hear of its changes.

/**
 * @typedef {Object} State
 * @property {?Object} me Answer of /v1/me.
 * @property {?Object} gallery Answer of /v1/gallery.
 * @property {Array} images Chosen query images (images.js); only ever in memory.
 * @property {?Object} answer Of the last search.
 * @property {boolean} fresh Whether the answer belongs to the images that are chosen now.
 * @property {boolean} searching
 * @property {Map} marks Gallery id -> "right" or "wrong", about the chosen images.
 * @property {Array} undo Marks as they were before, newest last: {match, verdict}.
 */
export const state = {
  me: null,
  gallery: null,
  images: [],
  answer: null,
  fresh: false,
  searching: false,
  marks: new Map(),
  undo: [],
};

const listeners = new Map();

/** Events: "me", "gallery", "images", "filters", "searching", "answer", "marks". */
export function on(event, listener) {
  listeners.set(event, [...(listeners.get(event) ?? []), listener]);
}

export function changed(event, ...details) {
  for (const listener of listeners.get(event) ?? []) listener(...details);
}

export const may = (permission) => state.me?.may.includes(permission) ?? false;

/** Ids of the gallery images that the operator has confirmed. */
export const confirmed = () =>
  [...state.marks].filter(([, verdict]) => verdict === "right").map(([id]) => id);
