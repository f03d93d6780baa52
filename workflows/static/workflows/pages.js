/* Shows a case's page anew when its log has grown. Asks only while the page is looked at; never while someone types. */
"use strict";
(() => {
  const EVERY = 2000;
  const page = () => document.getElementById("cb-live");
  if (!page()) return;

  const busy = () => page().contains(document.activeElement) && document.activeElement.matches("textarea, select");
  const opened = () => [...page().querySelectorAll("details")].some((each) => each.open && each.querySelector("textarea")?.value);

  const renew = async () => {
    const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
    if (!answer.ok) return;
    const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById("cb-live");
    if (fresh) page().replaceWith(fresh);
  };

  setInterval(async () => {
    if (document.hidden || busy() || opened()) return;
    try {
      const answer = await fetch(page().dataset.seqLink);
      if (answer.ok && String((await answer.json()).seq) !== page().dataset.seq) await renew();
    } catch {
      /* The server is away; the next turn asks again. */
    }
  }, EVERY);
})();
