// What a reader sees of wrapped texts anywhere on the page, compared with what they must see. Knows no view.
// A wrapped text is ⟦FIELD.NUMBER⟧…⟦/NUMBER⟧; hostile.forms[NUMBER] are the ways in which it may be written.
window.hostile = { forms: [], raw: [], fields: [], loose: [], seen: {}, wrong: [], page: "" };
hostile.gather = (root) => {
  const pieces = [];
  const walk = (node) => {
    for (const child of node.childNodes) {
      if (child.nodeType === Node.TEXT_NODE) { if (child.data) pieces.push([child.data, node]); continue; }
      if (child.nodeType !== Node.ELEMENT_NODE || /^(SCRIPT|STYLE|TEMPLATE|TEXTAREA)$/i.test(child.tagName)) continue;
      if (child.dataset.mark !== undefined) pieces.push([child.dataset.mark, node]);
      walk(child);
    }
  };
  walk(root);
  return pieces;
};
hostile.owner = (element) => {
  const found = element.closest("[class*='fl-']");
  return found ? [...found.classList].find((name) => name.startsWith("fl-")) : element.tagName.toLowerCase();
};
hostile.bare = (text) => text.replace(/[\s↵⇥·]+/g, "");
/** got: what stands between the brackets; cut: that the end is missing. */
hostile.judge = (field, number, got, cut, place, raw) => {
  const key = `${hostile.page}: ${hostile.fields[field]} @ ${place}`;
  const loose = hostile.loose.includes(hostile.fields[field]);
  const forms = (raw ? hostile.raw : hostile.forms)[number].map((form) => (loose ? hostile.bare(form) : form));
  const text = (loose ? hostile.bare(got) : got);
  const begun = text.replace(/…[^]*$/, "").trimEnd();
  if (cut ? !forms.some((form) => form.startsWith(begun)) : !forms.includes(text)) {
    if (hostile.wrong.length < 400) hostile.wrong.push([key, number, got.slice(0, 200)]);
    return;
  }
  (hostile.seen[key] ||= new Set()).add(number);
};
hostile.parse = (text, place, raw, limit) => {
  for (let at = text.indexOf("⟦"); at >= 0; at = text.indexOf("⟦", at + 1)) {
    const head = /^⟦(\d+)\.(\d+)⟧/.exec(text.slice(at, at + 24));
    if (!head) continue;
    const from = at + head[0].length;
    const next = text.indexOf("⟦", from);
    const whole = next >= 0 && text.startsWith(`⟦/${head[2]}⟧`, next);
    const stop = whole ? next : limit ? limit(at, next < 0 ? text.length : next) : next < 0 ? text.length : next;
    if (stop >= from) hostile.judge(+head[1], +head[2], text.slice(from, stop), !whole, place(at), raw);
  }
};
hostile.scan = (root = document.body) => {
  const pieces = hostile.gather(root);
  const starts = [];
  let length = 0;
  for (const [text] of pieces) { starts.push(length); length += text.length; }
  const index = (at) => {
    let [low, high] = [0, starts.length - 1];
    while (low < high) { const middle = (low + high + 1) >> 1; if (starts[middle] <= at) low = middle; else high = middle - 1; }
    return low;
  };
  const place = (at) => hostile.owner(pieces[index(at)][1]);
  // what was cut off ends with the element that it stands in
  const limit = (at, most) => {
    const host = pieces[index(at)][1];
    let k = index(at);
    while (k + 1 < pieces.length && host.contains(pieces[k + 1][1])) k += 1;
    return Math.min(most, starts[k] + pieces[k][0].length);
  };
  hostile.parse(pieces.map(([text]) => text).join(""), place, false, limit);
  for (const node of root.querySelectorAll("*")) {
    for (const name of ["title", "aria-label", "placeholder", "alt", "aria-description", "aria-valuetext", "label"]) {
      const value = node.getAttribute(name);
      if (value && value.includes("⟦")) hostile.parse(value, () => `${hostile.owner(node)}[${name}]`, false);
    }
    if (/^(INPUT|TEXTAREA)$/.test(node.tagName) && node.value.includes("⟦")) {
      hostile.parse(node.value, () => `${hostile.owner(node)}[value]`, true);
    }
  }
};
hostile.settle = async () => {
  for (let i = 0; i < 2; i += 1) await new Promise((done) => setTimeout(done, 0));
  await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
};
hostile.tap = async (selector, most = 3) => {
  for (const node of [...document.querySelectorAll(selector)].slice(0, most)) {
    node.dispatchEvent(new PointerEvent("pointerover", { bubbles: true, pointerType: "mouse" }));
    node.click();
    await hostile.settle();
    hostile.scan();
  }
};
hostile.told = () => ({
  wrong: hostile.wrong, seen: Object.fromEntries(Object.entries(hostile.seen).map(([key, found]) => [key, [...found]])),
});
