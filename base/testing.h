// Assertions on Result for tests: a failure prints the Error's own words.
#pragma once

#include <gtest/gtest.h>

#include "base/result.h"

#define EXPECT_OK(...)                                                    \
  do {                                                                    \
    auto&& expect_result = (__VA_ARGS__);                                 \
    EXPECT_TRUE(expect_result.has_value()) << expect_result.error().what; \
  } while (0)

#define ASSERT_OK(...)                                                    \
  do {                                                                    \
    auto&& assert_result = (__VA_ARGS__);                                 \
    ASSERT_TRUE(assert_result.has_value()) << assert_result.error().what; \
  } while (0)

// ASSERT_OK_AND_ASSIGN(Type name, expression)
#define ASSERT_OK_AND_ASSIGN(declaration, ...)                          \
  auto SANDBOX_RUN_CONCAT(assert_result_, __LINE__) = (__VA_ARGS__);    \
  ASSERT_TRUE(SANDBOX_RUN_CONCAT(assert_result_, __LINE__).has_value()) \
      << SANDBOX_RUN_CONCAT(assert_result_, __LINE__).error().what;     \
  declaration = std::move(SANDBOX_RUN_CONCAT(assert_result_, __LINE__)).value()
