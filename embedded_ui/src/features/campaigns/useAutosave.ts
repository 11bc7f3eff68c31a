import { useQueryClient } from "@tanstack/react-query";
import { useCallback, useEffect, useRef, useState } from "react";
import { api, ApiError, unwrap } from "@/shared/api/client";
import type { Campaign, CampaignPatch } from "@/shared/api/types";
import { isEmpty, mergePatches, withBlocksBefore } from "./patches";
import { keepCampaign } from "./useCampaigns";

const PAUSE_MS = 600;

export interface Autosave {
  /** Edits not yet confirmed by the app, in flight or waiting. */
  pending: CampaignPatch;
  state: "saved" | "saving" | "waiting" | "failed";
  error: unknown;
  change: (patch: CampaignPatch) => void;
  /** Saves what waits now. Resolves when the app has it all (true), or has refused some of it (false). */
  flush: () => Promise<boolean>;
}

/**
 * Saves edits a moment after the last one, one request at a time: two requests at once could arrive
 * in the other order and undo each other. What is refused stays on screen and is sent again with the
 * next edit.
 */
export function useAutosave(campaignId: string): Autosave {
  const queries = useQueryClient();
  const waiting = useRef<CampaignPatch>({});
  const flying = useRef<CampaignPatch>({});
  const run = useRef<Promise<boolean> | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  const [shown, setShown] = useState<Pick<Autosave, "pending" | "state" | "error">>({
    pending: {},
    state: "saved",
    error: null,
  });
  const show = useCallback((state: Autosave["state"], error: unknown = null) => {
    setShown({ pending: mergePatches(flying.current, waiting.current), state, error });
  }, []);

  const sendAll = useCallback(async () => {
    while (!isEmpty(waiting.current)) {
      flying.current = waiting.current;
      waiting.current = {};
      show("saving");
      try {
        const params = { path: { campaign_id: campaignId } };
        const known = queries.getQueryData<Campaign>(["campaign", campaignId]);
        const body = withBlocksBefore(flying.current, known);
        const saved: Campaign = await unwrap(api.PATCH("/api/campaigns/{campaign_id}", { params, body }));
        await keepCampaign(queries, saved);
        flying.current = {};
      } catch (error) {
        waiting.current = mergePatches(flying.current, waiting.current);
        flying.current = {};
        // What somebody else saved meanwhile is then known: saving again replaces it on purpose.
        if (error instanceof ApiError && error.status === 409) {
          await queries.invalidateQueries({ queryKey: ["campaign", campaignId], exact: true });
        }
        show("failed", error);
        return false;
      }
    }
    show("saved");
    return true;
  }, [campaignId, queries, show]);

  const flush = useCallback((): Promise<boolean> => {
    clearTimeout(timer.current);
    run.current ??= sendAll().finally(() => {
      run.current = null;
    });
    return run.current;
  }, [sendAll]);

  const change = useCallback(
    (patch: CampaignPatch) => {
      waiting.current = mergePatches(waiting.current, patch);
      show("waiting");
      clearTimeout(timer.current);
      timer.current = setTimeout(() => void flush(), PAUSE_MS);
    },
    [flush, show],
  );

  useEffect(
    () => () => {
      // Leaving the page saves what was typed last.
      if (!isEmpty(waiting.current)) void flush();
    },
    [flush],
  );
  return { ...shown, change, flush };
}
