// From a score's value to how uncertain it is (0 = sure, 1 = torn) and from there to a tint that text stays readable on.
// Knows the score entries of a run's header and the two ramps; does not know tokens or the page.
(() => {
  "use strict";
  const Forklore = (window.Forklore = window.Forklore || {});
  const LEVELS = 32;
  // Low ends are the card's own colour, so sure tokens stay quiet; heat keeps the page's ink readable all the way up.
  const RAMPS = {
    heat: {
      light: [[255, 255, 255], [254, 243, 234], [251, 224, 199], [246, 196, 152], [237, 161, 101], [222, 120, 45]],
      dark: [[26, 28, 31], [42, 36, 32], [67, 45, 31], [97, 57, 29], [129, 70, 26], [162, 84, 20]],
    },
    cividis: {
      light: [[255, 255, 255], [254, 243, 190], [234, 214, 110], [177, 168, 116], [111, 112, 115], [48, 66, 108]],
      dark: [[26, 28, 31], [28, 45, 84], [66, 78, 108], [111, 112, 115], [175, 166, 116], [250, 226, 86]],
    },
  };
  // Tints of classes: the first is the quiet one; the others are told apart by hue and, in the legend, by name.
  const CLASS_TINTS = {
    light: [[255, 255, 255], [205, 222, 243], [247, 201, 158], [228, 208, 235], [240, 236, 228], [209, 230, 205], [245, 208, 217]],
    dark: [[26, 28, 31], [38, 61, 92], [112, 63, 26], [79, 51, 92], [42, 44, 47], [43, 71, 42], [92, 45, 60]],
  };

  const HIGHER = {
    uncertain: "higher = less certain", confident: "higher = more certain", atypical: "higher = less typical",
    familiar: "higher = more familiar", flag: "marked or not", class: "kinds of uncertainty",
  };
  /** What the ramp's hot end means, said in words. */
  const phrase = (direction) => HIGHER[direction] || HIGHER.uncertain;
  /** Scores whose low values are the hot ones. */
  const inverted = (direction) => direction === "confident" || direction === "familiar";
  const isClass = (entry) => entry.direction === "class";

  /** [low, high] of the colour scale in nats or the score's own unit; a header without a high end uses the run's largest value. */
  function range(entry, largest) {
    const low = typeof entry.low === "number" ? entry.low : 0;
    const high = typeof entry.high === "number" ? entry.high : Math.max(low + 1e-9, Number.isFinite(largest) ? largest : low + 1);
    return [low, high > low ? high : low + 1e-9];
  }

  /** 0 (sure) to 1 (torn) for a value of a score, null when the value does not exist or the score is a class. */
  function uncertainty(value, entry, largest) {
    if (typeof value !== "number" || !Number.isFinite(value) || isClass(entry)) return null;
    const [low, high] = range(entry, largest);
    const share = Math.min(1, Math.max(0, (value - low) / (high - low)));
    return inverted(entry.direction) ? 1 - share : share;
  }

  /** Something that grows with uncertainty, for ranking: the value itself or its negative; null when there is none. */
  function heat(value, entry) {
    if (typeof value !== "number" || !Number.isFinite(value) || isClass(entry)) return null;
    return inverted(entry.direction) ? -value : value;
  }

  const level = (share) => (share === null ? 0 : Math.round(share * LEVELS));
  /** Thickness class of the second cue: 0, or 1, 2, 3 from 50, 70 and 90 % of the range. */
  const cue = (share) => (share === null || share < 0.5 ? 0 : share < 0.7 ? 1 : share < 0.9 ? 2 : 3);

  function between(stops, share) {
    const at = Math.min(1, Math.max(0, share)) * (stops.length - 1);
    const i = Math.min(stops.length - 2, Math.floor(at));
    return stops[i].map((channel, k) => Math.round(channel + (stops[i + 1][k] - channel) * (at - i)));
  }
  const color = (name, dark, share) => between((RAMPS[name] || RAMPS.heat)[dark ? "dark" : "light"], share);

  const linear = (c) => (c / 255 <= 0.04045 ? c / 3294.6 : ((c / 255 + 0.055) / 1.055) ** 2.4);
  const luminance = ([r, g, b]) => 0.2126 * linear(r) + 0.7152 * linear(g) + 0.0722 * linear(b);
  function contrast(a, b) {
    const [low, high] = [luminance(a), luminance(b)].sort((x, y) => x - y);
    return (high + 0.05) / (low + 0.05);
  }

  const INKS = { light: [[29, 28, 26], [255, 255, 255], [0, 0, 0]], dark: [[236, 233, 228], [255, 255, 255], [0, 0, 0]] };
  /** The page's ink where it reads at 4.5 : 1 or better on a colour, otherwise white or black, whichever reads better. */
  function inkOn(background, dark) {
    const [own, ...others] = INKS[dark ? "dark" : "light"];
    if (contrast(own, background) >= 4.5) return own;
    return others.sort((a, b) => contrast(b, background) - contrast(a, background))[0];
  }

  const rgb = (c) => `rgb(${c.join(" ")})`;
  const gradient = (name) => `linear-gradient(90deg, ${Array.from({ length: 6 }, (_, i) => `var(--fl-${name}-${i})`).join(", ")})`;

  function rules(theme, scope) {
    const dark = theme === "dark";
    const out = [];
    const tint = (selector, c) => out.push(`${scope} ${selector}{--fl-tint:${rgb(c)};--fl-on-tint:${rgb(inkOn(c, dark))}}`);
    for (const name of Object.keys(RAMPS)) {
      for (let i = 1; i <= LEVELS; i += 1) tint(`.fl-ramp-${name} .fl-h${i}`, color(name, dark, i / LEVELS));
      out.push(`${dark ? "body.dark" : ":root"}{${RAMPS[name][theme].map((c, i) => `--fl-${name}-${i}:${rgb(c)}`).join(";")}}`);
    }
    CLASS_TINTS[theme].forEach((c, i) => tint(`.fl-k${i}`, c));
    return out;
  }

  /** Adds the tint rules once: .fl-h1 ... .fl-h32 under .fl-ramp-heat or .fl-ramp-cividis, .fl-k0 ... for classes. */
  function install() {
    if (document.getElementById("forklore-tints")) return;
    const sheet = document.createElement("style");
    sheet.id = "forklore-tints";
    sheet.textContent = [...rules("light", "body"), ...rules("dark", "body.dark")].join("\n");
    document.head.append(sheet);
  }

  Forklore.scale = {
    LEVELS, RAMPS, CLASS_TINTS, phrase, inverted, isClass, range, uncertainty, heat, level, cue, color, contrast, inkOn, rgb, gradient, install,
  };
  install();
})();
