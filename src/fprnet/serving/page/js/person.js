// One unknown person: a timeline over the cameras, film strips, and who it is.

import { button, element } from "./dom.js";
import { localTime } from "./format.js";
import { showWhenSeen } from "./pictures.js";
import { may } from "./state.js";
import { strip } from "./strips.js";
import { isolated, say } from "./texts.js";
import { timeline } from "./timeline.js";

const HEIGHT = 192; // pixels of an image's picture

/**
 * Everything about a person.
 * @param {{person: Object, tracklets: Array, images: Array, others: Array}} content
 * @param {Object} actions `rename`, `merge`, `split`, `findAlike`.
 */
export function personView(content, actions) {
  const { person, tracklets, images } = content;
  const chosen = { tracklets: new Set(), images: new Set() };
  const apart = button(
    "wrong",
    say("person.split"),
    () => actions.split(person.id, [...chosen.tracklets], [...chosen.images]),
    { id: "split", disabled: true },
  );
  const tick = (kind, id) =>
    element(
      "label",
      { class: "tick slim" },
      element("input", {
        type: "checkbox",
        on: {
          change: ({ target }) => {
            if (target.checked) chosen[kind].add(id);
            else chosen[kind].delete(id);
            const count = chosen.tracklets.size + chosen.images.size;
            apart.disabled = count === 0 || count === tracklets.length + images.length;
          },
        },
      }),
      element("span", {}, say("person.another")),
    );
  const strips = tracklets.map((one) =>
    strip(one, {
      controls: [
        button("search", say("strip.find"), () => actions.findAlike(one.id), {
          class: "slim quiet",
        }),
        may("group") ? tick("tracklets", one.id) : null,
      ],
    }),
  );
  const singles = images.map((image) => {
    const box = element("div", { class: "still" });
    showWhenSeen(box, { id: image.id, image: image.image ?? true }, HEIGHT, "");
    return element(
      "li",
      { class: "strip" },
      element("div", { class: "film", "aria-hidden": "true" }, box),
      element(
        "div",
        { class: "strip-facts" },
        element("span", {}, image.time ? localTime(image.time) : say("match.time.none")),
        may("group") ? tick("images", image.id) : null,
      ),
    );
  });
  return [
    may("group") ? naming(person, content.others, actions) : null,
    tracklets.length ? timeline(tracklets, (id) => focusStrip(strips, id)) : null,
    element("ul", { class: "strips" }, ...strips, ...singles),
    may("group") ? apart : null,
  ];
}

function focusStrip(strips, id) {
  const found = strips.find(({ dataset }) => dataset.tracklet === String(id));
  found.scrollIntoView({ block: "center" });
  found.focus();
}

function naming(person, others, actions) {
  const name = element("input", {
    ...{ type: "text", id: "person-name", maxlength: 200, value: person.names[0] ?? "" },
    ...{ autocomplete: "off", placeholder: say("person.name.hint") },
  });
  const form = element(
    "form",
    {
      class: "person-form",
      on: {
        submit: (event) => {
          event.preventDefault();
          actions.rename(person.id, name.value.trim() || null);
        },
      },
    },
    element("label", { for: "person-name" }, say("person.name")),
    name,
    element("button", { type: "submit" }, say("person.save")),
  );
  if (!others.length) return form;
  const other = element(
    "select",
    { id: "other-person" },
    ...others.map(({ id, names }) =>
      element(
        "option",
        { value: id },
        [say("people.number", { number: id }), ...names.map(isolated)].join(" · "),
      ),
    ),
  );
  const join = element(
    "form",
    {
      class: "person-form",
      on: {
        submit: (event) => {
          event.preventDefault();
          actions.merge(person.id, Number(other.value));
        },
      },
    },
    element("label", { for: "other-person" }, say("person.same")),
    other,
    element("button", { type: "submit", id: "merge" }, say("person.merge")),
  );
  return element("div", { class: "person-forms" }, form, join);
}
