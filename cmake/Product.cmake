# What a user gets: the target `product` (what ./sandbox-run builds), the install rules and the .deb.
set(product_helpers sandbox-run-fetch sandbox-run-unarchive)
add_custom_target(product DEPENDS sandbox-run ${product_helpers})
install(TARGETS sandbox-run RUNTIME DESTINATION bin)
install(TARGETS ${product_helpers} RUNTIME DESTINATION libexec)

install(FILES README.md SECURITY.md CHANGELOG.md LICENSE DESTINATION share/doc/sandbox-run)
install(FILES bench/RESULTS.md DESTINATION share/doc/sandbox-run/bench)  # README.md and docs/ link to it
install(DIRECTORY docs/ DESTINATION share/doc/sandbox-run/docs)
install(DIRECTORY examples DESTINATION share/doc/sandbox-run)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME sandbox-run)
set(CPACK_PACKAGE_CONTACT "sandbox-run maintainers <maintainers@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "verify, build and run untrusted Go source in a sandbox")
set(CPACK_PACKAGE_DESCRIPTION
    "Takes untrusted Go source, verifies what it would build from, builds it without cgo inside a sandbox, runs the \
static binary in fresh namespaces with a system-call allow-list and cgroup limits, and reports what happened.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS ca-certificates)
# Too old to build with on every release we build for, and wanted all the same: it is the go command that knows which
# module proxy this machine uses, from which `sandbox-run toolchain install` fetches one that is new enough. Who has a
# current Go elsewhere, or sets GOPROXY, needs none.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS golang-go)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA ${PROJECT_SOURCE_DIR}/packaging/debian/postrm)
include(CPack)
