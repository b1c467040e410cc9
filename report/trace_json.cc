#include "report/trace_json.h"

#include <nlohmann/json.hpp>

namespace sandbox_run::report {

using nlohmann::ordered_json;

void add_witnesses(const hooks::Trace& trace, ordered_json& json) {
  ordered_json witnesses = ordered_json::array();
  for (const hooks::Witness& one : trace.witnesses) {
    witnesses.push_back({{"name", one.name}, {"present", one.present}});
    if (!one.present) witnesses.back()["why"] = one.why;
  }
  json["witnesses"] = std::move(witnesses);
  if (trace.hits)
    json["hits"] = {{"counted", trace.hits->counted},
                    {"lost", trace.hits->lost},
                    {"unclaimed", trace.hits->unclaimed},
                    {"unaccounted", trace.hits->unaccounted}};
  if (!trace.begun) return;
  ordered_json begun = {{"calls", trace.begun->count()}};
#define X(id, name, meaning) begun[name] = trace.begun->count_by(hooks::CallMaker::id);
  SANDBOX_RUN_CALL_MAKERS(X)
#undef X
  begun["lost"] = trace.begun->lost;
  json["begun"] = std::move(begun);
}

}  // namespace sandbox_run::report
