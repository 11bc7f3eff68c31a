import type { DemographicEstimate } from "@/shared/api/types";

interface Words {
  /** Begins a sentence: "... is on". */
  subject: string;
  label: string;
  /** The one-line reason under the switch. */
  reason: string;
  byField: string;
  unknown: string;
  wrong: string;
  /** Why nothing is known of the error, where that can be. */
  noError: string;
}

/** What the page says of each estimate. */
export const WORDS: Record<DemographicEstimate["name"], Words> = {
  gender: {
    subject: "Gender estimate",
    label: "Estimate gender from first names",
    reason: "A likelihood by US births, not a fact about a person; unclear names stay unknown. Off by default.",
    byField: "gender field or tag filled",
    unknown: "no name, or an unclear one",
    wrong: "of estimates, by US births; names from elsewhere fare worse",
    noError: "no estimate was made",
  },
  area_income: {
    subject: "Area income estimate",
    label: "Estimate income by postcode",
    reason: "An area estimate for US postcodes: what the area earns, nothing about the person. Off by default.",
    byField: "income field or tag filled",
    unknown: "no US postcode, or no published income",
    wrong: "of areas in another fifth, by the survey's margins",
    noError: "the loaded table has no margins of error",
  },
};
