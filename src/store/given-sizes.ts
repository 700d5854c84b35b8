/** Sizes are for new folders: an existing folder's own sizes win, and a size that was asked for and differs is refused. Decision 16. */
import { PocketMQError } from '../base/errors.ts'
import type { FolderFacts } from './inspect-folder.ts'
import type { StoreSettings } from './settings.ts'

/** @throws INVALID_ARGUMENT with both values */
export function refuseOtherSizes(settings: StoreSettings, facts: FolderFacts): void {
  const found = {
    commitLogSegmentBytes: facts.commitLogSegmentBytes,
    consumeQueueSegmentEntries: facts.consumeQueueEntries,
    indexSlots: facts.indexSizes?.slots,
    indexEntries: facts.indexSizes?.entries,
  }
  for (const [option, actual] of Object.entries(found)) {
    const given = settings[option as keyof typeof found]
    if (actual === undefined || actual === given || !settings.given.has(option)) continue
    throw new PocketMQError('INVALID_ARGUMENT', `the folder has ${option} ${actual}, not ${given}`, {
      hint: `Leave ${option} out: an existing folder keeps the sizes it was made with.`,
      details: { option, given, actual },
    })
  }
}
