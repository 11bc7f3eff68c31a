const LAST_HOUR = 24;

interface Props {
  label: string;
  /** A full hour; null: none is chosen. */
  value: number | null;
  /** The first hour that is offered; all 24 are. */
  first?: 0 | 1;
  /** Offers to choose none, in these words. */
  none?: string;
  error?: string | undefined;
  onPick: (hour: number | null) => void;
}

/** "8:00", of a full hour from 0 to 24. */
export function clock(hour: number): string {
  return `${hour}:00`;
}

/** A full hour of the day. */
export function HourSelect({ label, value, first = 0, none, error = "", onPick }: Props) {
  const hours = Array.from({ length: LAST_HOUR }, (_, index) => index + first);
  return (
    <s-select
      label={label}
      value={value === null ? "" : String(value)}
      error={error}
      onChange={(event) => onPick(event.currentTarget.value === "" ? null : Number(event.currentTarget.value))}
    >
      {none !== undefined && <s-option value="">{none}</s-option>}
      {hours.map((hour) => (
        <s-option key={hour} value={String(hour)}>
          {clock(hour)}
        </s-option>
      ))}
    </s-select>
  );
}
