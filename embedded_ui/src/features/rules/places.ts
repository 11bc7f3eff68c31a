import type { LeafResult } from "@/shared/api/types";
import { count } from "@/shared/format/numbers";
import { type GroupDraft, leafPaths } from "./draft";

/**
 * The leaf that a place in the rule belongs to: the app says "rule.match.all[0].value", the leaf is
 * at "match.all[0]". Null when the place is not inside a leaf.
 */
export function leafAt(root: GroupDraft, place: string): number | null {
  const path = place.replace(/^rule\.?/, "");
  // Longest first: match.all[1] is also the beginning of match.all[10].
  const candidates = leafPaths(root).sort((a, b) => b.path.length - a.path.length);
  const found = candidates.find((leaf) => path === leaf.path || path.startsWith(`${leaf.path}.`));
  return found?.draft.id ?? null;
}

/** The app's counts by leaf, as words. */
export function countsByLeaf(root: GroupDraft, leaves: LeafResult[]): Map<number, string> {
  const byPath = new Map(leaves.map((leaf) => [leaf.path.replace(/^rule\.?/, ""), leaf]));
  const counts = new Map<number, string>();
  for (const { path, draft } of leafPaths(root)) {
    const leaf = byPath.get(path);
    if (leaf === undefined) continue;
    const left = leaf.remaining === null ? "" : ` · ${count(leaf.remaining)} left after it`;
    counts.set(draft.id, `${count(leaf.count)} customers alone${left}`);
  }
  return counts;
}
