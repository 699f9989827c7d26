// What the pages gain from scripts; all of them work without. Knows only their markup.
(() => {
  "use strict";
  const search = document.getElementById("search_input");
  const storageKey = "shop:" + (document.body.dataset.session || "");

  // "/" goes to the search field, as long as nobody is typing.
  search?.setAttribute("aria-keyshortcuts", "/");
  if (search) search.title = "Press / to search";
  document.addEventListener("keydown", (event) => {
    const isTyping = event.target.closest?.("input, textarea, select, [contenteditable]");
    if (event.key === "/" && search && !isTyping && !event.ctrlKey && !event.metaKey && !event.altKey) {
      event.preventDefault();
      search.focus();
      search.select();
    }
  });

  // A photo that does not come uncovers the drawing below it.
  function drop(image) {
    const picture = image.closest(".gallery .picture");
    image.remove();
    // Further pictures have nothing else to show.
    if (picture && picture.previousElementSibling) picture.remove();
    for (const gallery of document.querySelectorAll(".gallery.many")) {
      if (gallery.childElementCount < 2) gallery.classList.remove("many");
    }
  }
  for (const image of document.querySelectorAll("img.photo, img.swatch")) {
    const show = () => image.classList.add("loaded");
    if (image.complete && image.src) (image.naturalWidth ? show : drop)(image);
    image.addEventListener("load", show, { once: true });
    image.addEventListener("error", () => drop(image), { once: true });
  }

  // The second click of a double click would act on a page that is about to go.
  let isLeaving = false;
  document.addEventListener("submit", (event) => {
    if (isLeaving) return event.preventDefault();
    isLeaving = true;
    const choice = event.submitter?.closest(".choice");
    if (choice) remember(choice.dataset.action);
  });
  window.addEventListener("pageshow", () => { isLeaving = false; });

  // Choosing a product option stays where it was on the page, and keeps the focus.
  function remember(action) {
    try {
      sessionStorage.setItem(storageKey, JSON.stringify({ action, top: window.scrollY }));
    } catch { /* storage may be off */ }
  }
  function recall() {
    try {
      const kept = JSON.parse(sessionStorage.getItem(storageKey));
      sessionStorage.removeItem(storageKey);
      return kept;
    } catch {
      return null;
    }
  }
  const kept = recall();
  if (kept) {
    const button = document.querySelector(`.choice[data-action="${CSS.escape(kept.action)}"]`);
    if (button) {
      button.focus({ preventScroll: true });
      window.scrollTo(0, kept.top);
    }
  }
})();
