#include "sum-verify/verified_tree.h"

namespace sandbox_run::sum_verify {

Sha256Digest VerifiedTree::digest() const {
  Sha256 hasher;
  for (const VerifiedModule& module : modules) {
    hasher.update(module.module.path + " " + module.module.version + " " + module.zip_h1 + " " + module.go_mod_h1 +
                  "\n");
  }
  hasher.update(std::string(vendored ? "vendored" : "modules") + " go " + go_version + "\n");
  return hasher.finish();
}

}  // namespace sandbox_run::sum_verify
