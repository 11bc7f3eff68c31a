import { useState } from "react";
import { type Choice, countryCodes, type Format, FORMATS, withFormat } from "./downloadChoice";

interface Props {
  choice: Choice;
  change: (choice: Choice) => void;
}

const MODES = {
  all: "Customers of all countries",
  without: "All but those of some countries",
  only: "Only those of some countries",
} as const;

function isFormat(value: string | undefined): value is Format {
  return value !== undefined && value in FORMATS;
}

function isMode(value: string): value is keyof typeof MODES {
  return value in MODES;
}

/** For whom the file is, how it is written, and who may be in it. */
export function DownloadOptions({ choice, change }: Props) {
  const words = FORMATS[choice.format];
  return (
    <s-stack gap="base">
      <s-choice-list
        label="Format"
        name="format"
        values={[choice.format]}
        onChange={(event) => {
          const format = event.currentTarget.values[0];
          if (isFormat(format)) change(withFormat(choice, format));
        }}
      >
        {Object.entries(FORMATS).map(([format, { label }]) => (
          <s-choice key={format} value={format}>
            {label}
          </s-choice>
        ))}
      </s-choice-list>
      <s-text color="subdued">{words.needs}</s-text>
      {words.hashing !== null && (
        <s-checkbox
          label={words.hashing.label}
          details={words.hashing.details}
          checked={choice.hashed}
          onChange={(event) => change({ ...choice, hashed: event.currentTarget.checked })}
        />
      )}
      {words.hashing?.unhashed !== undefined && !choice.hashed && (
        <s-banner tone="warning" heading="Do not open this file in a spreadsheet">
          <s-paragraph>{words.hashing.unhashed}</s-paragraph>
        </s-banner>
      )}
      {choice.format === "meta" && (
        <s-checkbox
          label="Add a column with each customer's value"
          details="Predicted sales of the next 12 months, for value-based lookalikes; customers without a prediction are left out."
          checked={choice.with_value}
          onChange={(event) => change({ ...choice, with_value: event.currentTarget.checked })}
        />
      )}
      <s-checkbox
        label="Include customers who are not reachable by e-mail"
        details="Check first that you may use their data in this way."
        checked={choice.include_unsubscribed}
        onChange={(event) => change({ ...choice, include_unsubscribed: event.currentTarget.checked })}
      />
      <Countries choice={choice} change={change} />
    </s-stack>
  );
}

function Countries({ choice, change }: Props) {
  const [text, setText] = useState("");
  const union = choice.countries.includes("EEA_UK");
  const name = (withUnion: boolean, codes: string) =>
    change({ ...choice, countries: [...(withUnion ? ["EEA_UK"] : []), ...countryCodes(codes)] });
  return (
    <s-stack gap="small">
      <s-select
        label="Countries"
        value={choice.countries_mode}
        details="By the country of the customer's address. Who has none on record is left out of a choice."
        onChange={(event) => {
          const mode = event.currentTarget.value;
          if (isMode(mode)) change({ ...choice, countries_mode: mode });
        }}
      >
        {Object.entries(MODES).map(([mode, label]) => (
          <s-option key={mode} value={mode}>
            {label}
          </s-option>
        ))}
      </s-select>
      {choice.countries_mode !== "all" && (
        <>
          <s-checkbox
            label="EU, EEA and United Kingdom"
            checked={union}
            onChange={(event) => name(event.currentTarget.checked, text)}
          />
          <s-text-field
            label="Other countries"
            details="Two-letter codes, such as US, CA"
            value={text}
            onInput={(event) => {
              setText(event.currentTarget.value);
              name(union, event.currentTarget.value);
            }}
          />
        </>
      )}
    </s-stack>
  );
}
