/** What has been promised of each message of a messaging workload, and whether what a cut left keeps it. Pure. */

/** How a message is sent. */
/** `hasty`: sent at `memory`, so nothing is promised in a power cut. */
export type Kind = 'plain' | 'hasty' | 'keyed' | 'delayed' | 'recalled' | 'committed' | 'rolled-back' | 'undecided'

/** One message, by its body. A promise is noted when the call that gives it has resolved. */
export type Fate = {
  readonly kind: Kind
  readonly topic: string
  readonly sentMs: number
  /** It is in the log for good; of a transaction: its half message is. */
  isStored: boolean
  /** It is being taken back, and it has been. */
  isRecalling: boolean
  isRecalled: boolean
  /** Its consumer has begun to acknowledge it, or to make it a dead letter. */
  isAcknowledging: boolean
  isDying: boolean
  /** Its consumer has been done with it, one way or another: retention may take it. */
  isPassed: boolean
  /** A consumer saw it in a store that shows only what is on the device, and nothing was thrown away since. */
  isShown: boolean
  /** Older than what retention keeps. */
  isOld: boolean
  /** Nobody consumes it any more, and retention has looked for what is old since. */
  isForgotten: boolean
  /** It was acknowledged, and a file that says so has reached the device. */
  isSettled: boolean
  /** Its topic is being deleted, and it has been. */
  isDeleting: boolean
  isDeleted: boolean
}

/** What was found of a message. */
export type Findings = {
  /** Records in its topic. */
  readonly copies: number
  /** How often a consumer received and acknowledged it. */
  readonly received: number
  readonly dead: number
  readonly retried: number
}

/** A message of which nothing is promised yet. */
export function newFate(kind: Kind, topic: string, sentMs: number): Fate {
  return {
    ...{ kind, topic, sentMs, isStored: false, isRecalling: false, isRecalled: false, isAcknowledging: false },
    ...{
      isDying: false,
      isPassed: false,
      isShown: false,
      isOld: false,
      isForgotten: false,
      isSettled: false,
      isDeleting: false,
      isDeleted: false,
    },
  }
}

/** Whether nothing of it may be there. */
function isGone({ kind, isRecalled, isDeleted }: Fate): boolean {
  return kind === 'rolled-back' || isRecalled || isDeleted
}

/** Whether it has to be in its topic, or to have been dealt with. An undecided transaction is committed by the checker. */
function isKept(fate: Fate): boolean {
  return fate.isStored && !isGone(fate) && !fate.isRecalling && !fate.isDeleting
}

/** What is wrong with a message; nothing where all is well. `isConsumed`: there was a consumer of its topic. */
export function complaintsOf(fate: Fate, { copies, received, dead, retried }: Findings, isConsumed: boolean): string[] {
  const complaints: string[] = []
  if (copies > 1) complaints.push(`was stored ${copies} times`)
  if (isGone(fate) && copies > 0) complaints.push('is there, although it was decided against')
  if (isKept(fate) && copies === 0 && !fate.isPassed && !fate.isForgotten)
    complaints.push('was stored for good and is lost')
  if (fate.isShown && !isGone(fate) && !fate.isDeleting && copies === 0)
    complaints.push('was shown to a consumer and is lost')
  if (dead > 1) complaints.push('has two dead letters')
  if (received > 1) complaints.push(`came ${received} times, each time acknowledged`)
  if (fate.isSettled && received > 0 && retried === 0) complaints.push('comes again after its acknowledgement was kept')
  const isOver = fate.isAcknowledging || (fate.isDying && (dead > 0 || fate.isForgotten))
  if (isConsumed && isKept(fate) && !isOver && received === 0) complaints.push('never comes')
  return complaints
}
