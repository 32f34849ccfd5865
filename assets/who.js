// Who is signed in, in the masthead: the name and the way out, or the way in where there is one.
// Knows the part "who" of the masthead's JSON; does not know how somebody is recognised.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const { el } = Forklore.dom;

  /** A small part of the masthead; draw({name, out, post} | {into} | nothing). */
  function who() {
    const root = el("span", { class: "fl-who", hidden: true });
    let drawn = "";
    return {
      root,
      draw(state) {
        const key = JSON.stringify(state || null);
        if (key === drawn) return;
        drawn = key;
        root.hidden = !state;
        // where everybody comes by a link of their own, a labelling link alone opens nothing
        Forklore.signedInByLink = Boolean(state?.name && state.post);
        root.replaceChildren(...(state ? (state.name ? signedIn(state) : [wayIn(state)]) : []));
      },
    };
  }

  function signedIn({ name, out, post }) {
    const shown = el("bdi", { text: name, title: `Signed in as ${name}` });
    if (!post) return [shown, el("a", { href: out, text: "Sign out" })];
    return [shown, el("form", { method: "post", action: out }, el("button", { type: "submit", text: "Sign out" }))];
  }

  /** In a frame of another site the browser would keep nothing of a sign-in: there it opens a page of its own. */
  function wayIn({ into }) {
    const framed = window.top !== window;
    return el("a", { href: into, text: "Sign in", title: "Sign in with Hugging Face to keep your work", target: framed ? "_blank" : undefined, rel: framed ? "noopener" : undefined });
  }

  Forklore.who = who;
})();
