import type { SegmentDetails, SegmentVersion } from "@/shared/api/types";
import { moment } from "@/shared/format/dates";
import { Failure } from "@/shared/states/Failure";
import { Loaded } from "@/shared/states/Loaded";
import { toast } from "@/shared/states/toast";
import { useRestoreVersion, useVersions } from "./useSegments";

interface Props {
  segment: SegmentDetails;
  close: () => void;
}

/** The rules that the segment had, newest first; each can be made the newest again. */
export function VersionsPanel({ segment, close }: Props) {
  const versions = useVersions(segment.id);
  const restore = useRestoreVersion(segment.id);
  const bring = (version: number) =>
    restore.mutate(version, { onSuccess: () => toast(`Version ${version.toString()} is the rule again`) });
  return (
    <s-section heading="Versions">
      <s-stack gap="base">
        {restore.isError && <Failure what="The version was not brought back" error={restore.error} />}
        <Loaded query={versions} noun="versions" lines={3}>
          {(found) => (
            <s-table>
              <s-table-header-row>
                <s-table-header listSlot="primary">Version</s-table-header>
                <s-table-header listSlot="labeled">Saved</s-table-header>
                <s-table-header listSlot="secondary">Rule</s-table-header>
                <s-table-header listSlot="inline">Restore</s-table-header>
              </s-table-header-row>
              <s-table-body>
                {found.map((one) => (
                  <Row key={one.version} version={one} segment={segment} busy={restore.isPending} bring={bring} />
                ))}
              </s-table-body>
            </s-table>
          )}
        </Loaded>
        <s-stack direction="inline" gap="base" alignItems="center" justifyContent="space-between">
          <s-text color="subdued">Bringing one back saves it as the newest version; none is lost. Pins stay.</s-text>
          <s-button variant="secondary" onClick={close}>
            Close
          </s-button>
        </s-stack>
      </s-stack>
    </s-section>
  );
}

interface RowProps {
  version: SegmentVersion;
  segment: SegmentDetails;
  busy: boolean;
  bring: (version: number) => void;
}

function Row({ version, segment, busy, bring }: RowProps) {
  const current = version.version === segment.version;
  return (
    <s-table-row>
      <s-table-cell>{version.version}</s-table-cell>
      <s-table-cell>{moment(version.saved_at, segment.timezone)}</s-table-cell>
      <s-table-cell>
        <div className="encore-reason">{version.definition}</div>
      </s-table-cell>
      <s-table-cell>
        {current ? (
          <s-badge tone="success">Now</s-badge>
        ) : (
          <s-button
            variant="secondary"
            disabled={busy || version.rule === null}
            accessibilityLabel={`Bring back version ${version.version.toString()}`}
            onClick={() => bring(version.version)}
          >
            Bring back
          </s-button>
        )}
      </s-table-cell>
    </s-table-row>
  );
}
