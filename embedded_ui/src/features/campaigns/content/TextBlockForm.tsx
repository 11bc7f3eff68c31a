import { useRef, useState } from "react";
import { toHtml, toText } from "./bodyText";
import { InsertMenu } from "./InsertMenu";

interface Props {
  place: number;
  html: string;
  error: string | undefined;
  placeholders: string[];
  onChange: (html: string) => void;
}

/**
 * The words of a text block. A field of our own rather than Polaris's, because a placeholder goes in
 * where the cursor stands and s-text-area does not tell where that is.
 */
export function TextBlockForm({ place, html, error, placeholders, onChange }: Props) {
  const area = useRef<HTMLTextAreaElement>(null);
  const plain = toText(html);
  const [typed, setTyped] = useState(plain);
  // What is typed stays as typed (a trailing empty line is no paragraph yet) unless the text was put back.
  const text = plain === null ? html : typed !== null && toHtml(typed) === html ? typed : plain;
  const id = `block-${place}-text`;
  const write = (next: string) => {
    setTyped(next);
    onChange(plain === null ? next : toHtml(next));
  };
  const around = (make: (selected: string) => string) => {
    const start = area.current?.selectionStart ?? text.length;
    const end = area.current?.selectionEnd ?? start;
    write(text.slice(0, start) + make(text.slice(start, end)) + text.slice(end));
  };
  return (
    <div className="encore-field">
      <label htmlFor={id}>{plain === null ? "Text (HTML)" : "Text"}</label>
      <textarea
        id={id}
        ref={area}
        rows={6}
        value={text}
        aria-invalid={error !== undefined}
        aria-describedby={`${id}-details`}
        onChange={(event) => write(event.target.value)}
      />
      <span id={`${id}-details`} data-error={error !== undefined}>
        {error ?? (plain === null ? "This text holds formatting, so it is shown as HTML." : "An empty line starts a new paragraph.")}
      </span>
      <s-stack direction="inline" gap="small-200">
        {plain !== null && (
          <>
            <s-button variant="tertiary" onClick={() => around((words) => `**${words === "" ? "bold words" : words}**`)}>
              Bold
            </s-button>
            <s-button variant="tertiary" onClick={() => around((words) => `[${words === "" ? "words" : words}](https://)`)}>
              Link
            </s-button>
          </>
        )}
        <InsertMenu id={id} label="Text" placeholders={placeholders} insert={(placeholder) => around(() => placeholder)} />
      </s-stack>
    </div>
  );
}
