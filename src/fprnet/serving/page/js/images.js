// The operator's query images: chosen, dropped or pasted; checked before anything is sent.

import { byId, element, icon, iconButton, show } from "./dom.js";
import { fileSize, number } from "./format.js";
import { announce } from "./notices.js";
import { changed, on, state } from "./state.js";
import { onLanguage, say, spoken } from "./texts.js";

const FORMATS = /\.(jpe?g|jpe|jfif|png|bmp|tiff?|webp)$/i;
const DEFAULT_LIMITS = { images_per_search: 8, bytes_per_image: 20e6, pixels_per_image: 64e6 };

let problems = []; // functions, so that they can be said in another language

const limits = () => ({ ...DEFAULT_LIMITS, ...state.gallery?.limits });
const isFormat = (file) => FORMATS.test(file.name) || file.type.startsWith("image/");

/** Add files to the query; what cannot be used is named and left out. */
export async function addImages(files) {
  const chosen = [...files]; // the list of a drop is empty once its event is over
  await spoken;
  problems = [];
  const before = state.images.length;
  for (const file of chosen) {
    const problem = await add(file);
    if (problem) problems.push(problem);
  }
  const added = state.images.length - before;
  render();
  if (added) {
    announce(say("images.added", { count: added, total: state.images.length }));
    imagesChanged();
  }
}

/** Returns null, or what is wrong with the file. */
async function add(file) {
  const { images_per_search, bytes_per_image, pixels_per_image } = limits();
  const { name } = file;
  if (state.images.length >= images_per_search) {
    return () => say("images.too-many", { name, most: images_per_search });
  }
  if (!isFormat(file)) return () => say("images.format", { name });
  if (file.size === 0) return () => say("images.nothing", { name });
  if (file.size > bytes_per_image) {
    const [size, most] = [file.size, bytes_per_image];
    return () => say("images.too-large", { name, size: fileSize(size), most: fileSize(most) });
  }
  if (state.images.some((image) => same(image.file, file))) {
    return () => say("images.twice", { name });
  }
  const size = await measure(file);
  if (size === null && !/tiff?$/i.test(file.type || name)) {
    return () => say("images.damaged", { name });
  }
  if (size && size.width * size.height > pixels_per_image) {
    const pixels = size.width * size.height;
    return () =>
      say("images.too-many-pixels", { name, pixels: number(pixels), most: number(pixels_per_image) });
  }
  const image = { file, name, ...size, url: size ? URL.createObjectURL(file) : null };
  state.images.push(image);
  return null;
}

const same = (one, other) =>
  one.name === other.name && one.size === other.size && one.lastModified === other.lastModified;

/** Width and height as the browser sees them; null for what it cannot show. */
async function measure(file) {
  try {
    const bitmap = await createImageBitmap(file);
    const { width, height } = bitmap;
    bitmap.close();
    return { width, height };
  } catch {
    return null;
  }
}

function remove(image) {
  const position = state.images.indexOf(image);
  state.images.splice(position, 1);
  if (image.url) URL.revokeObjectURL(image.url);
  problems = [];
  render();
  const buttons = byId("previews").querySelectorAll("button");
  (buttons[Math.min(position, buttons.length - 1)] ?? byId("files")).focus();
  announce(say("images.removed", { name: image.name }));
  imagesChanged();
}

/** Marks belong to the images that they were made about. */
function imagesChanged() {
  state.fresh = false;
  state.marks = new Map();
  state.undo = [];
  changed("images");
}

const wholeScene = (image) => image.width > image.height;

function render() {
  const list = byId("previews");
  list.replaceChildren(...state.images.map(preview));
  show(list, state.images.length > 0);
  byId("drop").classList.toggle("filled", state.images.length > 0);
  const told = problems.map((problem) => element("li", {}, icon("warning"), problem()));
  const hints = state.images
    .filter(wholeScene)
    .map(({ name }) =>
      element("li", { class: "hint" }, icon("info"), say("images.whole-scene", { name })),
    );
  const listed = byId("image-problems");
  listed.replaceChildren(...told, ...hints);
  show(listed, told.length + hints.length > 0);
}

function preview(image) {
  const { name, width, height } = image;
  const size = width ? say("images.pixels", { width, height }) : "";
  return element(
    "li",
    {},
    image.url
      ? element("img", { src: image.url, alt: say("images.preview", { name }) })
      : element("span", { class: "unseen" }, icon("missing")),
    element("span", { class: "soft", title: `${name} ${size}` }, name),
    iconButton("wrong", say("images.remove", { name }), () => remove(image)),
  );
}

/** Say that a search needs an image, and go where one is chosen. */
export function askForImage() {
  problems = [() => say("images.none")];
  render();
  byId("files").focus();
}

export function prepareImages() {
  const input = byId("files");
  input.addEventListener("change", () => {
    addImages([...input.files]);
    input.value = ""; // the same file may be chosen again
  });
  document.addEventListener("paste", (event) => {
    if (event.clipboardData.files.length) addImages([...event.clipboardData.files]);
  });
  const drop = byId("drop");
  for (const name of ["dragenter", "dragover"]) {
    document.addEventListener(name, (event) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      drop.classList.add("over");
    });
  }
  document.addEventListener("dragleave", (event) => {
    if (!event.relatedTarget) drop.classList.remove("over");
  });
  document.addEventListener("drop", (event) => {
    if (!event.dataTransfer?.types.includes("Files")) return;
    event.preventDefault();
    drop.classList.remove("over");
    addImages([...event.dataTransfer.files]);
  });
  byId("image-problems").setAttribute("role", "alert");
  on("gallery", render);
  onLanguage(render);
}
