// Film strips: what a camera saw of one person without a break, as a row of pictures.

import { element, icon } from "./dom.js";
import { briefTime, localTime, seconds, similarity } from "./format.js";
import { showWhenSeen } from "./pictures.js";
import { say } from "./texts.js";

const HEIGHT = 192; // pixels of a picture
const SHOWN = 6; // pictures of a strip

/** Camera, light, time and length of a tracklet, as texts. */
const factsOfTracklet = (tracklet) => [
  { sign: "camera", text: say("match.camera", { number: tracklet.camera }) },
  { sign: "eye", text: say(`strip.${tracklet.modality}`) },
  {
    sign: "clock",
    text: say("strip.time", {
      time: briefTime(tracklet.start),
      seconds: seconds(tracklet.start, tracklet.end),
    }),
    full: localTime(tracklet.start),
  },
];

export const nameOfTracklet = (tracklet) =>
  say("strip.name", {
    ...{ number: tracklet.id, camera: tracklet.camera },
    time: localTime(tracklet.start),
  });

/**
 * A tracklet as a list item: its pictures, what is known, and what can be done.
 * @param {Object} tracklet As the service gives it.
 * @param {Object} [more] `match`: its place in a ranking; `controls`: elements behind the facts.
 */
export function strip(tracklet, { match = null, controls = [] } = {}) {
  const pictures = tracklet.crops
    .filter(({ hidden }) => !hidden)
    .slice(0, SHOWN)
    .map((crop) => {
      const box = element("div", { class: "still" });
      showWhenSeen(box, { id: crop.id, image: true }, HEIGHT, "");
      return box;
    });
  const facts = factsOfTracklet(tracklet).map(({ sign, text, full }) =>
    element("span", { class: "fact", title: full }, icon(sign), element("span", {}, text)),
  );
  const alike = match
    ? element(
        "span",
        { class: `fact ${match.accepted ? "accepted" : ""}` },
        icon(match.accepted ? "right" : "info"),
        element("span", {}, say("match.similarity-is", { value: similarity(match.similarity) })),
      )
    : null;
  return element(
    "li",
    {
      ...{ class: "strip", tabindex: -1, dataset: { tracklet: tracklet.id } },
      "aria-label": nameOfTracklet(tracklet),
    },
    element("div", { class: "film", "aria-hidden": "true" }, ...pictures),
    element("div", { class: "strip-facts" }, alike, ...facts, ...controls),
  );
}
