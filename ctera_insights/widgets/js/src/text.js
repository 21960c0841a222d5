// Text from outside as it may be shown.

// What nobody sees in a text: the rule of `visible` in ctera_insights/text.py.
const UNSEEN = new RegExp(
  "[\\x00-\\x1f\\x7f-\\x9f\\u00ad\\u034f\\u115f\\u1160\\u17b4\\u17b5\\u180b-\\u180f\\u3164\\uffa0" +
    "\\u061c\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069\\u200b-\\u200d\\u2028\\u2029\\u2060-\\u2065\\u206a-\\u206f" +
    "\\ufeff\\ufff9-\\ufffb\\u{d800}-\\u{dfff}\\u{e0000}-\\u{e007f}]",
  "gu",
);
const SHORT = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** A text with its control, bidirectional, zero-width and half characters as escapes. For showing only. */
export const visible = (text) =>
  text.replace(UNSEEN, (character) => {
    const code = character.codePointAt(0);
    const hex = (digits) => code.toString(16).padStart(digits, "0");
    return SHORT[character] ?? (code < 0x100 ? `\\x${hex(2)}` : code < 0x10000 ? `\\u${hex(4)}` : `\\U${hex(8)}`);
  });
