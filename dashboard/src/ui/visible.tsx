import './visible.css';

const UNSEEN = /([\u202a-\u202e\u2066-\u2069])/;
const TIP = 'An unseen character that turns the order of text around. A copy has it as it is.';

/** Text of others: what would reorder that which stands beside it is shown as an escape. */
export function Visible({ text }: { text: string }) {
  if (!UNSEEN.test(text)) return text;
  return text.split(UNSEEN).map((part, at) =>
    at % 2 === 0 ? (
      part
    ) : (
      <span key={at} className="unseen-char" data-tip={TIP}>
        \u{part.charCodeAt(0).toString(16)}
      </span>
    ),
  );
}
