// SPDX-License-Identifier: Apache-2.0
use super::*;

fn arn(text: &str) -> RoleArn {
    text.parse().unwrap()
}

fn mistakes(text: &str) -> Vec<String> {
    RoleArn::parse(text).unwrap_err().iter().map(ToString::to_string).collect()
}

#[track_caller]
fn is_wrong(text: &str, words: &str) {
    assert_eq!(mistakes(text), [words], "{text}");
}

#[test]
fn plain_role() {
    let arn = arn("arn:aws:iam::123456789012:role/s3-upload-role");
    assert_eq!((arn.partition.as_str(), arn.account.as_str()), ("aws", "123456789012"));
    assert_eq!(arn.role.to_string(), "s3-upload-role");
}

#[test]
fn role_with_a_path() {
    let arn = arn("arn:aws:iam::123456789012:role/service-role/team-a/s3");
    assert_eq!(arn.role.segments().collect::<Vec<_>>(), ["service-role", "team-a", "s3"]);
}

#[test]
fn roles_of_every_partition() {
    for partition in Partition::ALL {
        let text = format!("arn:{partition}:iam::123456789012:role/x");
        assert_eq!(arn(&text).to_string(), text);
    }
}

#[test]
fn account_with_leading_zeros() {
    assert_eq!(arn("arn:aws:iam::012345678901:role/x").account.as_str(), "012345678901");
}

#[test]
fn display() {
    let text = "arn:aws-cn:iam::012345678901:role/a/b/C+=,.@_-";
    assert_eq!(arn(text).to_string(), text);
}

#[test]
fn empty() {
    is_wrong("", "is empty; write the ARN of a role, or remove it");
}

#[test]
fn line_break_at_the_end() {
    is_wrong("arn:aws:iam::123456789012:role/x\n", "has a line break; write the ARN on one line");
}

#[test]
fn folded_line() {
    is_wrong("arn:aws:iam::123456789012:\r\nrole/x", "has a line break; write the ARN on one line");
}

#[test]
fn leading_blank() {
    is_wrong(" arn:aws:iam::123456789012:role/x", "begins or ends with whitespace; remove it");
}

#[test]
fn trailing_tab() {
    is_wrong("arn:aws:iam::123456789012:role/x\t", "begins or ends with whitespace; remove it");
}

#[test]
fn trailing_no_break_space() {
    is_wrong("arn:aws:iam::123456789012:role/x\u{a0}", "begins or ends with whitespace; remove it");
}

#[test]
fn blank_alone() {
    is_wrong(" ", "begins or ends with whitespace; remove it");
}

#[test]
fn blank_inside() {
    is_wrong("arn:aws:iam::123456789012:role/my role", "contains whitespace; remove it");
}

#[test]
fn list_of_two() {
    is_wrong("arn:aws:iam::123456789012:role/x, arn:aws:iam::123456789012:role/y", "contains whitespace; remove it");
}

#[test]
fn double_quotes() {
    is_wrong(r#""arn:aws:iam::123456789012:role/x""#, "has quotes as part of the value; remove them");
}

#[test]
fn single_quotes() {
    is_wrong("'arn:aws:iam::123456789012:role/x'", "has quotes as part of the value; remove them");
}

#[test]
fn quotes_of_a_word_processor() {
    is_wrong("“arn:aws:iam::123456789012:role/x”", "has quotes as part of the value; remove them");
}

#[test]
fn variable_of_a_shell() {
    is_wrong(
        "arn:aws:iam::${ACCOUNT_ID}:role/x",
        "has a placeholder that was not replaced; write the value it stands for",
    );
}

#[test]
fn value_of_a_template() {
    is_wrong("{{.Values.roleArn}}", "has a placeholder that was not replaced; write the value it stands for");
}

#[test]
fn example_of_the_documentation() {
    is_wrong("arn:aws:iam::<account>:role/x", "has a placeholder that was not replaced; write the value it stands for");
}

#[test]
fn upper_case() {
    is_wrong("ARN:aws:iam::123456789012:role/x", "begins with arn: in upper case; write it in lower case");
}

#[test]
fn bare_name() {
    is_wrong("s3-upload-role", "is a name, not an ARN; write arn:aws:iam::<account>:role/<name>");
}

#[test]
fn bare_path() {
    is_wrong("role/s3-upload-role", "is a name, not an ARN; write arn:aws:iam::<account>:role/<name>");
}

#[test]
fn url() {
    is_wrong("https://example.com/x", "is not an ARN; a role's ARN is arn:aws:iam::<account>:role/<name>");
}

#[test]
fn arn_behind_something() {
    is_wrong(
        "role=arn:aws:iam::123456789012:role/x",
        "is not an ARN; a role's ARN is arn:aws:iam::<account>:role/<name>",
    );
}

// https://github.com/velero-io/velero-plugin-for-aws/issues/59
#[test]
fn arn_inside_an_arn() {
    is_wrong(
        "arn:aws:iam::123456789012:role/arn:aws:iam::123456789012:role/velero",
        "contains an ARN inside an ARN; write only one",
    );
}

#[test]
fn arn_in_place_of_the_account() {
    is_wrong("arn:aws:iam::arn:aws:iam::123456789012:role/velero", "contains an ARN inside an ARN; write only one");
}

#[test]
fn arn_twice() {
    is_wrong("arn:arn:aws:iam::123456789012:role/x", "contains an ARN inside an ARN; write only one");
}

// https://github.com/99designs/aws-vault/issues/668
#[test]
fn one_colon_after_iam() {
    is_wrong("arn:aws:iam:123456789012:role/x", "has one colon after iam, must have two");
}

#[test]
fn three_colons_after_iam() {
    is_wrong("arn:aws:iam:::role/x", "has no account ID; write its 12 digits between iam:: and :role/");
}

#[test]
fn no_account() {
    is_wrong("arn:aws:iam::role/x", "has no account ID; write its 12 digits between iam:: and :role/");
}

#[test]
fn no_partition() {
    is_wrong("arn:iam::123456789012:role/x", "has no partition after arn:, such as aws");
}

#[test]
fn empty_partition() {
    is_wrong("arn::iam::123456789012:role/x", "has no partition after arn:, such as aws");
}

#[test]
fn unknown_partition() {
    is_wrong(
        "arn:aliyun:iam::123456789012:role/x",
        "unknown partition `aliyun`; use one of aws, aws-cn, aws-us-gov, aws-iso, aws-iso-b, aws-iso-e, aws-iso-f, aws-eusc",
    );
}

#[test]
fn similar_partition() {
    is_wrong("arn:aws-gov:iam::123456789012:role/x", "unknown partition `aws-gov`; did you mean `aws-us-gov`?");
}

#[test]
fn cut_off() {
    is_wrong("arn:aws:iam::123456789012", "is incomplete; a role's ARN is arn:aws:iam::<account>:role/<name>");
}

#[test]
fn only_the_beginning() {
    is_wrong("arn:", "is incomplete; a role's ARN is arn:aws:iam::<account>:role/<name>");
    is_wrong("arn:iam:x", "is incomplete; a role's ARN is arn:aws:iam::<account>:role/<name>");
    is_wrong("arn:aws:s3:role/x", "is incomplete; a role's ARN is arn:aws:iam::<account>:role/<name>");
}

#[test]
fn another_service() {
    is_wrong("arn:aws:s3::123456789012:role/x", "names service `s3`, must name `iam`");
    is_wrong("arn:aws:sts::123456789012:role/x", "names service `sts`, must name `iam`");
    let s3 = RoleArnError::Service { service: "s3".to_owned() };
    assert_eq!(
        RoleArn::parse("arn:aws:s3::123456789012:assumed-role/x/session").unwrap_err(),
        [s3, RoleArnError::AssumedRole]
    );
}

#[test]
fn region() {
    is_wrong(
        "arn:aws:iam:eu-west-1:123456789012:role/x",
        "has region `eu-west-1`; IAM has no regions, so leave it empty",
    );
}

#[test]
fn rejects_nine_digit_account() {
    is_wrong("arn:aws:iam::123456789:role/s3-upload-role", "account ID has 9 digits, must have 12");
}

#[test]
fn rejects_account_with_letter() {
    is_wrong("arn:aws:iam::12345678901O:role/x", "account ID is `12345678901O`, must be 12 digits");
}

#[test]
fn rejects_account_with_dashes() {
    is_wrong("arn:aws:iam::1234-5678-9012:role/x", "account ID has dashes; write only its 12 digits");
}

#[test]
fn session() {
    is_wrong(
        "arn:aws:sts::123456789012:assumed-role/x/session",
        "is a session of a role; write the ARN of the role itself",
    );
}

#[test]
fn instance_profile() {
    is_wrong(
        "arn:aws:iam::123456789012:instance-profile/nodes",
        "is an instance profile; write the ARN of the role in it",
    );
}

#[test]
fn user() {
    is_wrong("arn:aws:iam::123456789012:user/alice", "names a resource of type `user`, must be `role`");
}

#[test]
fn policy() {
    is_wrong("arn:aws:iam::123456789012:policy/s3", "names a resource of type `policy`, must be `role`");
}

#[test]
fn root_of_an_account() {
    is_wrong("arn:aws:iam::123456789012:root", "names a resource of type `root`, must be `role`");
}

#[test]
fn role_in_upper_case() {
    is_wrong("arn:aws:iam::123456789012:Role/x", "has `Role/` in place of role/");
}

#[test]
fn role_in_plural() {
    is_wrong("arn:aws:iam::123456789012:roles/x", "has `roles/` in place of role/");
}

#[test]
fn colon_after_role() {
    is_wrong("arn:aws:iam::123456789012:role:x", "has `role:` in place of role/");
}

#[test]
fn no_role() {
    is_wrong("arn:aws:iam::123456789012:s3-upload-role", "has no role/ before the name");
}

#[test]
fn slash_before_role() {
    is_wrong("arn:aws:iam::123456789012:/role/x", "has no role/ before the name");
}

#[test]
fn role_twice_with_a_slash() {
    is_wrong("arn:aws:iam::123456789012:role/role/x", "has role twice; write role/ once");
}

// https://github.com/velero-io/velero/issues/2309
#[test]
fn role_twice_with_a_colon() {
    is_wrong("arn:aws:iam::123456789012:role:role/velero", "has role twice; write role/ once");
}

#[test]
fn role_without_a_name() {
    is_wrong("arn:aws:iam::123456789012:role/", "ends with role/, without a name");
}

#[test]
fn role_alone() {
    is_wrong("arn:aws:iam::123456789012:role", "ends with role/, without a name");
}

#[test]
fn colon_at_the_end() {
    is_wrong(
        "arn:aws:iam::123456789012:role/x:",
        "has `:`, which is not allowed in the name of a role; names can contain letters, digits and + = , . @ _ -",
    );
}

#[test]
fn encoded_colon() {
    is_wrong("arn%3Aaws%3Aiam%3A%3A123456789012%3Arole/x", "is percent-encoded; write the characters themselves");
}

#[test]
fn invisible_characters() {
    is_wrong(
        "arn:aws:iam::123456789012:role/x\u{200b}",
        "has `\\u{200b}` (U+200B), which is not allowed in the name of a role; names can contain letters, digits and + = , . @ _ -",
    );
}

#[test]
fn letter_of_another_alphabet() {
    is_wrong(
        "arn:aws:iam::123456789012:role/\u{430}dmin",
        "has `\u{430}` (U+0430), which is not allowed in the name of a role; names can contain letters, digits and + = , . @ _ -",
    );
}

#[test]
fn reports_every_part() {
    assert_eq!(
        mistakes("arn:awz:s3:eu-west-1:123:role/role/x"),
        [
            "unknown partition `awz`; did you mean `aws`?",
            "names service `s3`, must name `iam`",
            "has region `eu-west-1`; IAM has no regions, so leave it empty",
            "account ID has 3 digits, must have 12",
            "has role twice; write role/ once",
        ]
    );
    assert_eq!(
        "arn:awz:s3::1:x".parse::<RoleArn>().unwrap_err().to_string(),
        "unknown partition `awz`; did you mean `aws`?"
    );
}
