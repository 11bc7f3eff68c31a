import type { ExportSchedule, SegmentExport } from "@/shared/api/types";

export type Format = SegmentExport["format"];

/** All that can be chosen, with nothing left to the app's defaults. */
export type Choice = Pick<
  SegmentExport,
  "format" | "hashed" | "include_unsubscribed" | "with_value" | "countries_mode" | "countries"
>;

interface FormatWords {
  short: string;
  label: string;
  /** What the platform asks for, and what is in the file. */
  needs: string;
  hashing: { label: string; details: string; unhashed?: string } | null;
}

export const FORMATS: Record<Format, FormatWords> = {
  plain: {
    short: "Plain",
    label: "Plain CSV: one row per customer, for people and spreadsheets",
    needs:
      "Name, address, phone, consent, orders and sales of each member. What a spreadsheet would run as a formula gets a leading apostrophe.",
    hashing: null,
  },
  meta: {
    short: "Meta",
    label: "Meta customer list: for Facebook and Instagram ads",
    needs: "At least 100 people. Names, places and phones are spelled as Meta matches them; phones are digits with the country code.",
    hashing: {
      label: "Hash names and addresses (SHA-256)",
      details: "Meta accepts both; hashed, the file shows nobody's data.",
    },
  },
  google: {
    short: "Google",
    label: "Google Customer Match: for Google Ads and YouTube",
    needs: "Hashed, country and zip stay readable, because Google asks for them so.",
    hashing: {
      label: "Hash e-mail, phone and names (SHA-256)",
      details: "Google accepts both; hashed, the file shows no names or addresses.",
      unhashed:
        "Google wants phones with a leading plus, which a spreadsheet takes for a formula and spoils. Upload the file as it is.",
    },
  },
  tiktok: {
    short: "TikTok",
    label: "TikTok custom audience",
    needs: "At least 1,000 entries. E-mail and phone; at Gmail what follows a plus is dropped, as TikTok does.",
    hashing: {
      label: "Hash e-mail and phone (SHA-256)",
      details: "TikTok accepts both; hashed, the file shows nobody's data.",
    },
  },
  pinterest: {
    short: "Pinterest",
    label: "Pinterest customer list",
    needs: "One column of e-mail addresses, without a header. Pinterest needs at least 100 that it can match.",
    hashing: {
      label: "Hash the addresses (SHA-256)",
      details: "Pinterest accepts both; hashed, the file shows nobody's address.",
    },
  },
};

/** The usual choices of a format: a platform gets only who can be reached, Google's file is hashed. */
export function usual(format: Format): Choice {
  return {
    format,
    hashed: format === "google",
    include_unsubscribed: format === "plain",
    with_value: false,
    countries_mode: "all",
    countries: [],
  };
}

/** The choice with another format; what was said about countries stays. */
export function withFormat(choice: Choice, format: Format): Choice {
  return { ...usual(format), countries_mode: choice.countries_mode, countries: choice.countries };
}

/** "de, at" → ["DE", "AT"]; anything that is no country code is left out. */
export function countryCodes(text: string): string[] {
  const codes = text.toUpperCase().match(/\b[A-Z]{2}\b/g) ?? [];
  return [...new Set(codes)];
}

/** Whether the choice can be asked for: with a filter by country it names one. */
export function complete(choice: Choice): boolean {
  return choice.countries_mode === "all" || choice.countries.length > 0;
}

const COUNTRIES = { only: "only", without: "without" } as const;

/** "Google, hashed, without EU, EEA and UK" */
export function described(choice: Choice): string {
  const parts = [FORMATS[choice.format].short];
  if (choice.hashed) parts.push("hashed");
  if (choice.with_value) parts.push("with value");
  if (choice.include_unsubscribed && choice.format !== "plain") parts.push("not reachable ones too");
  if (!choice.include_unsubscribed && choice.format === "plain") parts.push("reachable only");
  if (choice.countries_mode !== "all") {
    const names = choice.countries.map((code) => (code === "EEA_UK" ? "EU, EEA and UK" : code));
    parts.push(`${COUNTRIES[choice.countries_mode]} ${names.join(" and ")}`);
  }
  return parts.join(", ");
}

export const WEEKDAYS = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"] as const;

/** 6 → 6:00 AM */
export function hourName(hour: number): string {
  return `${hour % 12 === 0 ? 12 : hour % 12}:00 ${hour < 12 ? "AM" : "PM"}`;
}

/** "Every Monday at 6:00 AM" */
export function rhythm(schedule: Pick<ExportSchedule, "every" | "weekday" | "hour">): string {
  const name = schedule.every === "day" ? "day" : WEEKDAYS[schedule.weekday ?? 0];
  return `Every ${name} at ${hourName(schedule.hour)}`;
}
