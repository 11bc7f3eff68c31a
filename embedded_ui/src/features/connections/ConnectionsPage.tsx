import { useState } from "react";
import { useSearchParams } from "react-router";
import { Loaded } from "@/shared/states/Loaded";
import { NewSyncForm } from "./NewSyncForm";
import { SyncCard } from "./SyncCard";
import { useSyncs, useTiles } from "./useConnections";
import { VendorTile } from "./VendorTile";

/** The merchant's accounts at other services, and the segments kept in step there. */
export function ConnectionsPage() {
  const [address] = useSearchParams();
  const segmentId = address.get("segment");
  const [adding, setAdding] = useState(segmentId !== null);
  const tiles = useTiles();
  const connected = tiles.data?.flatMap((tile) => tile.connections) ?? [];
  return (
    <s-page heading="Connections" inlineSize="large">
      <s-button
        slot="primary-action"
        variant="primary"
        disabled={adding || connected.length === 0}
        onClick={() => setAdding(true)}
      >
        New sync
      </s-button>
      <s-stack gap="base">
        {adding && tiles.data !== undefined && (
          <NewSyncForm connections={connected} segmentId={segmentId} close={() => setAdding(false)} />
        )}
        <Loaded query={tiles} noun="connections" lines={6}>
          {(list) => (
            <div className="encore-tiles">
              {list.map((tile) => (
                <VendorTile key={tile.vendor} tile={tile} />
              ))}
            </div>
          )}
        </Loaded>
        <Syncs open={address.get("sync")} anyConnected={connected.length > 0} />
      </s-stack>
    </s-page>
  );
}

function Syncs({ open, anyConnected }: { open: string | null; anyConnected: boolean }) {
  const syncs = useSyncs();
  return (
    <Loaded query={syncs} noun="syncs">
      {(list) =>
        list.length === 0 ? (
          <s-section heading="No segment is synced yet">
            <s-paragraph>
              {anyConnected
                ? "Open a segment and choose Sync, or start with New sync. A preview shows what would change before anything is sent."
                : "Connect an account above. Then a segment can be kept in a list or tag there: who joins is added, who leaves is removed, and consent stays as it is."}
            </s-paragraph>
          </s-section>
        ) : (
          <s-stack gap="base">
            {list.map((sync) => (
              <SyncCard key={sync.id} sync={sync} startOpen={sync.id === open} />
            ))}
          </s-stack>
        )
      }
    </Loaded>
  );
}
