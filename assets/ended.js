// The end of one's access while the page is open: said once, and nothing more is asked of the server.
// Knows the one answer that a door gives to people it does not let in; does not know who somebody is.
(() => {
  "use strict";
  const { el } = window.Forklore.dom;
  const REFUSED = 401;
  const SENTENCE = "Your access has ended: you signed out elsewhere, or your link was taken back (ask whoever runs this page for a new one). What is on show stays until you leave this page.";
  const ask = window.fetch.bind(window);
  let over = false;

  const pathOf = (what) => new URL(typeof what === "string" || what instanceof URL ? what : what.url, location.href);
  const ours = (url) => url.origin === location.origin && url.pathname.includes("/gradio_api/");
  // what the page asks by itself would only be refused over and over; what a person presses is told why
  const byItself = (url) => /\/gradio_api\/(run\/predict|queue|heartbeat)/.test(url.pathname);
  const never = () => new Promise(() => {});
  const refusal = () => new Response(JSON.stringify({ error: SENTENCE }), { status: REFUSED, headers: { "Content-Type": "application/json" } });

  function end() {
    if (over) return;
    over = true;
    // nothing is waited for any more
    document.querySelector(".fl-reach")?.remove();
    document.body.append(el("div", { class: "fl-ended-access", role: "alert" }, el("p", { text: SENTENCE }), el("a", { href: "./", text: "Sign in again" })));
  }

  window.fetch = async (what, options) => {
    const url = pathOf(what);
    if (!ours(url)) return ask(what, options);
    if (!over) {
      const answer = await ask(what, options);
      if (answer.status !== REFUSED) return answer;
      end();
    }
    return byItself(url) ? never() : refusal();
  };
})();
