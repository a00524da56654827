// SPDX-License-Identifier: Apache-2.0

//! Any text as a role ARN: a valid one is formatted exactly as the input, and has the parts that a simple parser finds.

#![no_main]

use libfuzzer_sys::fuzz_target;
use serviceaccount_hygiene::identity::RoleArn;

fuzz_target!(|text: &str| {
    match RoleArn::parse(text) {
        Ok(arn) => {
            assert_eq!(arn.to_string(), text);
            let fields: Vec<&str> = text.splitn(6, ':').collect();
            let [first, _, service, region, account, role] = fields[..] else { panic!("{text} has no six fields") };
            assert_eq!((first, service, region), ("arn", "iam", ""));
            assert!(account.len() == 12 && account.bytes().all(|byte| byte.is_ascii_digit()), "{text}");
            let path = role.strip_prefix("role/").expect("a role");
            assert!(!path.starts_with("role/") && !path.contains(':') && path.is_ascii(), "{text}");
            assert!(path.split('/').all(|segment| !segment.is_empty()), "{text}");
        }
        Err(mistakes) => assert!(!mistakes.is_empty() && mistakes.iter().all(|role_arn_error| !role_arn_error.to_string().is_empty())),
    }
});
