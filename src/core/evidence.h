/* Evidence of freshness: what proves how old the data may be (R36, R37). */
#ifndef CORE_EVIDENCE_H
#define CORE_EVIDENCE_H

#include "core/state.h"

void evidence_forget(struct core *core);
void evidence_weigh(struct core *core);
/* `relayed`: they came through another node */
void evidence_read(struct core *core, const struct core_echoes *echoes, bool relayed);

#endif
