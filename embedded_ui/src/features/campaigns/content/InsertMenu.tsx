import { bracketed } from "./bodyText";

interface InsertMenuProps {
  id: string;
  label: string;
  placeholders: string[];
  insert: (placeholder: string) => void;
}

/** Offers the placeholders that this campaign's words may hold. */
export function InsertMenu({ id, label, placeholders, insert }: InsertMenuProps) {
  return (
    <s-box>
      <s-button variant="tertiary" commandFor={`insert-${id}`} accessibilityLabel={`Insert a placeholder into the ${label.toLowerCase()}`}>
        Insert placeholder
      </s-button>
      <s-menu id={`insert-${id}`} accessibilityLabel={`Placeholders for the ${label.toLowerCase()}`}>
        {placeholders.map((placeholder) => (
          <s-button key={placeholder} onClick={() => insert(bracketed(placeholder))}>
            {bracketed(placeholder)}
          </s-button>
        ))}
      </s-menu>
    </s-box>
  );
}

interface LineProps {
  id: string;
  label: string;
  value: string;
  error: string | undefined;
  placeholders: string[];
  onChange: (value: string) => void;
}

/** One line of words with a menu of placeholders, which go to its end. */
export function LineWithPlaceholders({ id, label, value, error, placeholders, onChange }: LineProps) {
  return (
    <s-stack gap="small-200">
      <s-text-field label={label} value={value} error={error ?? ""} onInput={(event) => onChange(event.currentTarget.value)} />
      <InsertMenu
        id={id}
        label={label}
        placeholders={placeholders}
        insert={(text) => onChange(value === "" || value.endsWith(" ") ? value + text : `${value} ${text}`)}
      />
    </s-stack>
  );
}
