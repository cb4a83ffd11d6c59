// Keeps the parts of a page that are marked data-live up to date: when the stream says that something has changed, it asks for the same page
// again and takes those parts from it. Without this script the pages work the same, and show what was there when they were opened.
"use strict";
(() => {
  const place = document.getElementById("live");
  const address = document.body.dataset.events;
  let stream = null;
  let asking = false;
  let again = false;

  const say = (text) => {
    place.hidden = false;
    if (place.textContent !== text) place.textContent = text;
  };

  // A part in which somebody types, reads a selection or has something open is left as it is.
  const inUse = (part) => {
    const selection = getSelection();
    return (part !== document.activeElement && part.contains(document.activeElement)) ||
      part.querySelector("details[open]") !== null ||
      [...part.querySelectorAll("input")].some((field) => field.value !== field.defaultValue) ||
      (!selection.isCollapsed && part.contains(selection.anchorNode));
  };

  const refresh = async () => {
    if (asking) {
      again = true;
      return;
    }
    asking = true;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" }, redirect: "error" });
      if (answer.ok) {
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
        for (const part of document.querySelectorAll("[data-live]")) {
          const other = fresh.getElementById(part.id);
          if (other !== null && !inUse(part) && other.innerHTML !== part.innerHTML) {
            part.replaceChildren(...document.importNode(other, true).childNodes);
          }
        }
      }
    } catch {
      // The stream says when the server is back.
    }
    asking = false;
    if (again) {
      again = false;
      setTimeout(refresh, 1000);
    }
  };

  const open = () => {
    if (stream !== null || document.hidden) return;
    stream = new EventSource(address);
    stream.addEventListener("open", () => say("This page follows what happens."));
    stream.addEventListener("change", refresh);
    stream.addEventListener("error", () => say(stream.readyState === EventSource.CLOSED
      ? "This page shows what was there when it was opened." : "The connection is lost; trying again."));
  };

  const shut = () => {
    if (stream !== null) stream.close();
    stream = null;
  };

  // A hidden page needs no stream: browsers have few connections to give to one server.
  document.addEventListener("visibilitychange", () => {
    if (document.hidden) {
      shut();
    } else {
      open();
      refresh();
    }
  });
  addEventListener("pagehide", shut);
  addEventListener("pageshow", open);

  // What was done is said once, not again when the page is asked for again.
  const here = new URL(location.href);
  if (here.searchParams.has("notice")) {
    here.searchParams.delete("notice");
    here.searchParams.delete("n");
    history.replaceState(null, "", here);
  }
  open();
})();
