import { useMutation } from "@tanstack/react-query";
import { useState } from "react";
import type { SegmentDetails, SegmentExport } from "@/shared/api/types";
import { downloadFile } from "@/shared/files/download";
import { moment } from "@/shared/format/dates";
import { count, percent } from "@/shared/format/numbers";
import { Failure } from "@/shared/states/Failure";
import { Loaded } from "@/shared/states/Loaded";
import { described } from "./downloadChoice";
import { useDownloads } from "./useDownloads";

const SHOWN = 5;

/** Every file that was made of this segment, and those being made now. */
export function DownloadLog({ segment }: { segment: SegmentDetails }) {
  const downloads = useDownloads(segment.id);
  const [all, setAll] = useState(false);
  const save = useMutation({ mutationFn: (made: SegmentExport) => downloadFile(made.url, made.filename) });
  return (
    <s-section heading="Files made so far">
      <Loaded query={downloads} noun="the log of files">
        {(items) =>
          items.length === 0 ? (
            <s-paragraph color="subdued">None yet. A file can be saved again for 24 hours.</s-paragraph>
          ) : (
            <s-stack gap="base">
              {save.isError && <Failure what="The file was not saved" error={save.error} />}
              <s-table>
                <s-table-header-row>
                  <s-table-header listSlot="primary">Made</s-table-header>
                  <s-table-header listSlot="labeled">What</s-table-header>
                  <s-table-header listSlot="labeled" format="numeric">Rows</s-table-header>
                  <s-table-header listSlot="labeled" format="numeric">Members</s-table-header>
                  <s-table-header listSlot="labeled">By</s-table-header>
                  <s-table-header listSlot="labeled">File</s-table-header>
                </s-table-header-row>
                <s-table-body>
                  {(all ? items : items.slice(0, SHOWN)).map((made) => (
                    <s-table-row key={made.id}>
                      <s-table-cell>{moment(made.created_at, segment.timezone)}</s-table-cell>
                      <s-table-cell>{described(made)}</s-table-cell>
                      <s-table-cell>{made.state === "ready" ? count(made.rows) : "–"}</s-table-cell>
                      <s-table-cell>{count(made.members)}</s-table-cell>
                      <s-table-cell>{maker(made)}</s-table-cell>
                      <s-table-cell>
                        <State made={made} saving={save.isPending} save={() => save.mutate(made)} />
                      </s-table-cell>
                    </s-table-row>
                  ))}
                </s-table-body>
              </s-table>
              {!all && items.length > SHOWN && (
                <s-box>
                  <s-button variant="tertiary" onClick={() => setAll(true)}>
                    {`Show all ${count(items.length)}`}
                  </s-button>
                </s-box>
              )}
            </s-stack>
          )
        }
      </Loaded>
    </s-section>
  );
}

/** Encore knows Shopify's number of who asked, no name. */
function maker(made: SegmentExport): string {
  if (made.schedule_id !== null) return "Schedule";
  return made.made_by === null ? "Command line" : `Staff ${made.made_by}`;
}

function State({ made, saving, save }: { made: SegmentExport; saving: boolean; save: () => void }) {
  if (made.state === "preparing") {
    const done = made.members === 0 ? 0 : made.looked_at / made.members;
    return (
      <s-stack gap="small-200">
        <s-text>{percent(done)} done</s-text>
        <s-progress value={done} max={1} accessibilityLabel={`The file is being made: ${percent(done)} done`} />
      </s-stack>
    );
  }
  if (made.state === "failed") return <s-text tone="critical">Not made: {made.problem}</s-text>;
  if (made.delivered_to !== null) return <s-text>Written to {made.delivered_to}</s-text>;
  if (!made.can_be_fetched) return <s-text color="subdued">No longer kept</s-text>;
  return (
    <s-button variant="secondary" loading={saving} accessibilityLabel={`Save ${made.filename}`} onClick={save}>
      Save file
    </s-button>
  );
}
