import { isoDay } from "@/shared/format/dates";
import { useShop } from "@/shared/shop/ShopProvider";
import { NumberInput } from "./inputs";
import type { Window } from "./rule";
import { kindOf, newWindow, PERIODS, readDuration, UNITS, type Unit, WINDOW_KINDS, type WindowKind } from "./windows";

interface Props {
  label?: string;
  window: Window | undefined;
  kinds: readonly WindowKind[];
  onChange: (window: Window) => void;
}

/** What happened can't lie in the future; a predicted or known date can. */
export const PAST: readonly WindowKind[] = ["last", "ever", "ago", "between", "before", "since", "calendar"];
export const ANY_DATE: readonly WindowKind[] = ["last", "next", "ago", "between", "before", "since", "calendar", "anniversary"];
export const FUTURE: readonly WindowKind[] = ["next", "between", "before"];

/** When: a kind of window, and its lengths or dates. */
export function WindowInput({ label = "When", window, kinds, onChange }: Props) {
  const { timezone } = useShop();
  const kind = kindOf(window);
  return (
    <>
      <s-select
        label={label}
        value={kind}
        onChange={(event) => onChange(newWindow(event.currentTarget.value as WindowKind, isoDay(new Date(), timezone)))}
      >
        {kinds.map((one) => (
          <s-option key={one} value={one}>
            {WINDOW_KINDS[one]}
          </s-option>
        ))}
      </s-select>
      <WindowParts window={window} onChange={onChange} />
    </>
  );
}

function WindowParts({ window, onChange }: Omit<Props, "kinds">) {
  if (window === undefined || "ever" in window) return null;
  if ("last" in window) return <Duration label="How long" value={window.last} hours onChange={(last) => onChange({ last })} />;
  if ("next" in window) return <Duration label="How long" value={window.next} onChange={(next) => onChange({ next })} />;
  if ("anniversary" in window) {
    const { next } = window.anniversary;
    return <Duration label="How long" value={next} onChange={(chosen) => onChange({ anniversary: { next: chosen } })} />;
  }
  if ("ago" in window) {
    const [earlier, later] = window.ago;
    return (
      <>
        <Duration label="From" value={earlier} onChange={(next) => onChange({ ago: [next, later] })} />
        <Duration label="To" value={later} onChange={(next) => onChange({ ago: [earlier, next] })} />
      </>
    );
  }
  if ("from" in window) {
    return (
      <>
        <DateInput label="From" value={window.from} onChange={(from) => onChange({ ...window, from })} />
        <DateInput label="To, not included" value={window.to} onChange={(to) => onChange({ ...window, to })} />
      </>
    );
  }
  if ("before" in window) return <DateInput label="Date" value={window.before} onChange={(before) => onChange({ before })} />;
  if ("since" in window) return <DateInput label="Date" value={window.since} onChange={(since) => onChange({ since })} />;
  return (
    <s-select label="Period" value={window.calendar} onChange={(event) => onChange({ calendar: event.currentTarget.value })}>
      {Object.entries(PERIODS).map(([period, words]) => (
        <s-option key={period} value={period}>
          {words}
        </s-option>
      ))}
    </s-select>
  );
}

interface DurationProps {
  label: string;
  value: string;
  hours?: boolean;
  onChange: (value: string) => void;
}

/** A length of time: a number and its unit. */
export function Duration({ label, value, hours = false, onChange }: DurationProps) {
  const { n, unit } = readDuration(value);
  const units = (Object.keys(UNITS) as Unit[]).filter((one) => hours || one !== "h");
  return (
    <>
      <div className="encore-narrow">
        <NumberInput label={label} value={n === "" ? "" : Number(n)} min={1} onChange={(next) => onChange(`${next}${unit}`)} />
      </div>
      <div className="encore-narrow">
        <s-select label="Unit" value={unit} onChange={(event) => onChange(`${n}${event.currentTarget.value}`)}>
          {units.map((one) => (
            <s-option key={one} value={one}>
              {UNITS[one]}
            </s-option>
          ))}
        </s-select>
      </div>
    </>
  );
}

function DateInput({ label, value, onChange }: { label: string; value: string; onChange: (value: string) => void }) {
  return <s-date-field label={label} value={value} onChange={(event) => onChange(event.currentTarget.value)} />;
}
