// Sessions that several instances hold (PROTOCOL.md 1.6): who they are and what they tell together.
// Knows no rule and sends nothing; what is to be done about them is said in share_steps.cpp. Pure;
// one thread.
#pragma once

#include "sessiond/core/session.h"

namespace holdfast::sessiond {

using holdfast::ends_for_all;

// nullptr: it holds the session alone, or not at all.
Holding *find_holding(Session &session, const Instance &instance) noexcept;

bool holds(const Session &session, const Instance &instance) noexcept;

// What this holder tells. REQUIRES: holds().
Part &part_of(Session &session, const Instance &instance) noexcept;

// After a change of a part: what all of them tell.
void merge(Session &session) noexcept;

// One holder more, which knows nothing of it yet. REQUIRES: not holds().
Holding &add_holder(Session &session, Instance &instance);

// One holder less; what it told last of the session's clock the others are taken to know. REQUIRES:
// shared, held by `instance`, which is not Session::instance.
void remove_holder(Session &session, const Instance &instance);

}  // namespace holdfast::sessiond
