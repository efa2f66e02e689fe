// Gallery images: fetched with the key, shown from memory.

import { call } from "./api.js";
import { element, icon } from "./dom.js";
import { say } from "./texts.js";

const KEPT = 400; // images in memory; the ones used longest ago go first
const addresses = new Map(); // "id@height" -> promise of a blob: address

/** Address of a gallery image, at most so many pixels high. */
function address(id, height) {
  const name = `${id}@${height}`;
  const found = addresses.get(name);
  addresses.delete(name);
  const wanted =
    found ??
    call("GET", `v1/gallery/images/${id}/content?height=${height}`, { as: "blob" }).then((blob) =>
      URL.createObjectURL(blob),
    );
  addresses.set(name, wanted);
  wanted.catch(() => addresses.delete(name));
  while (addresses.size > KEPT) {
    const [oldest, promise] = addresses.entries().next().value;
    addresses.delete(oldest);
    promise.then(URL.revokeObjectURL, () => {});
  }
  return wanted;
}

/** Whatever an erased image left in this page's memory is thrown away. */
export function forget(id) {
  for (const [name, promise] of [...addresses]) {
    if (!name.startsWith(`${id}@`)) continue;
    addresses.delete(name);
    promise.then(URL.revokeObjectURL, () => {});
  }
}

/** What stands where a picture cannot be shown. */
export const placeholder = (text) => element("span", { class: "gone" }, icon("missing"), text);

const waiting = new WeakMap();
const seen = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      seen.unobserve(target);
      waiting.get(target)();
    }
  },
  { rootMargin: "300px" },
);

/**
 * Put the picture of a match into a box, once the box comes near the screen.
 * @param {Element} box
 * @param {{id: string, image: ?string}} match Image null: the service may not show it.
 * @param {number} height
 * @param {string} alternative
 */
export function showWhenSeen(box, match, height, alternative) {
  waiting.set(box, () => showPicture(box, match, height, alternative));
  seen.observe(box);
}

export async function showPicture(box, match, height, alternative) {
  if (!match.image) {
    box.append(placeholder(say("picture.not-shown")));
    return;
  }
  try {
    const image = element("img", { alt: alternative, src: await address(match.id, height) });
    await image.decode();
    box.prepend(image);
  } catch (error) {
    const key = error.code === "image_not_shown" ? "picture.gone" : "picture.failed";
    box.append(placeholder(say(key)));
  }
}
