-- One macro per cleaning rule, loaded into every connection. The steps that use them stand in standardise.py.
-- What belongs here: rules that need one value (or a few of one row). What does not: rules over rows, and table names.
-- Regular expressions are RE2, and run only on the values that need them: a plain check comes first. They stand outside
-- of lambdas where many rows pass: inside, DuckDB compiles them anew for every chunk of rows. A macro repeats the text of
-- its argument wherever it names it, so steps give macros columns, not other macros' results.

-- NHS numbers -------------------------------------------------------------------------------------------------------

-- A number without the blanks and hyphens that people write into it (3-3-4 is how it is displayed, ISB 0149).
CREATE OR REPLACE MACRO nhs_number_digits(text) AS
    CASE
        WHEN regexp_full_match(text, '[0-9]*') THEN text
        ELSE regexp_replace(text, '[-\s\x{00A0}\x{2000}-\x{2015}\x{202F}]', '', 'g')
    END;

-- Modulus 11 (NHS data dictionary): digits 1 to 9 with weights 10 to 2 and the check digit with weight 1 add up to a
-- multiple of 11. A check digit of 10 cannot be written, so such numbers fail as they must.
CREATE OR REPLACE MACRO nhs_number_check_digit_ok(digits) AS
    CASE WHEN regexp_full_match(digits, '[0-9]{10}') THEN list_transform(
        [digits::BIGINT],
        lambda n: (
            (n // 1000000000) * 10 + (n // 100000000 % 10) * 9 + (n // 10000000 % 10) * 8 + (n // 1000000 % 10) * 7
            + (n // 100000 % 10) * 6 + (n // 10000 % 10) * 5 + (n // 1000 % 10) * 4 + (n // 100 % 10) * 3
            + (n // 10 % 10) * 2 + n % 10
        ) % 11 = 0
    )[1] WHEN digits IS NOT NULL THEN false END;

-- Who may hold a number of ten digits, by the ranges in which the countries issue them; null where England, Wales and
-- the Isle of Man do. Numbers from 9000000000 are test data of the national demographics service.
CREATE OR REPLACE MACRO nhs_number_range_fault(digits, synthetic_allowed) AS
    CASE
        WHEN digits BETWEEN '4000000000' AND '4999999999' OR digits BETWEEN '6000000000' AND '7999999999' THEN NULL
        WHEN digits >= '9000000000' THEN CASE WHEN synthetic_allowed THEN NULL ELSE 'synthetic_range' END
        WHEN digits BETWEEN '0100000000' AND '3112999999' THEN 'scottish_chi_range'
        WHEN digits BETWEEN '3200000000' AND '3999999999' THEN 'northern_irish_range'
        WHEN digits BETWEEN '8000000000' AND '8599999999' THEN 'irish_range'
        ELSE 'never_issued'
    END;

-- The same as nhs_number_fault, for a value that nhs_number_digits has been through.
-- Ten digits alike and n00000000n pass Modulus 11: they are placeholders (0000000000 and 9999999999 are also what the
-- national matching service answers for "no match" and "several matches").
CREATE OR REPLACE MACRO nhs_number_digits_fault(digits, synthetic_allowed) AS
    CASE
        WHEN coalesce(digits, '') = '' THEN NULL
        WHEN NOT regexp_full_match(digits, '[0-9]{10}') THEN 'not_ten_digits'
        WHEN replace(digits, digits[1], '') = ''
            OR (digits[1] = digits[10] AND digits[2:9] = '00000000') THEN 'repeated_digits'
        WHEN NOT nhs_number_check_digit_ok(digits) THEN 'modulus_11'
        ELSE nhs_number_range_fault(digits, synthetic_allowed)
    END;

-- What is wrong with an NHS number as delivered; null where it is valid or empty.
CREATE OR REPLACE MACRO nhs_number_fault(text, synthetic_allowed) AS
    list_transform([nhs_number_digits(text)], lambda digits: nhs_number_digits_fault(digits, synthetic_allowed))[1];

-- Text --------------------------------------------------------------------------------------------------------------

-- Letters that are no base letter with a mark, so that strip_accents leaves them (Ł, Ø, ß, Æ, Đ, ı, Þ, ...), typographic
-- apostrophes, hyphens and blanks, and full-width letters, in ASCII. Scripts without Latin letters are kept as they are.
CREATE OR REPLACE MACRO fold_special_letters(text) AS
    replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(replace(
    replace(replace(replace(replace(replace(replace(replace(
        translate(
            regexp_replace(text, '[\x{00A0}\x{2000}-\x{200A}\x{202F}\x{205F}\x{3000}]', ' ', 'g'),
            'ŁłØøĐđÐðĦħıŊŋŦŧƁɓƊɗƉɖƏəƎǝƘƙƝɲƳƴŉĸſƗɨＡＢＣＤＥＦＧＨＩＪＫＬＭＮＯＰＱＲＳＴＵＶＷＸＹＺａｂｃｄｅｆｇｈｉｊｋｌｍｎｏｐｑｒｓｔｕｖｗｘｙｚ０１２３４５６７８９’‘ʼʻʹ´ʾʿˈ′＇‐‑‒–—―−－',
            'LlOoDdDdHhiNnTtBbDdDdEeEeKkNnYynksIiABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789''''''''''''''''''''''--------'
        ),
    'ß', 'ss'), 'ẞ', 'SS'), 'Æ', 'AE'), 'æ', 'ae'), 'Œ', 'OE'), 'œ', 'oe'), 'Þ', 'TH'), 'þ', 'th'), 'Ĳ', 'IJ'),
    'ĳ', 'ij'), 'ﬀ', 'ff'), 'ﬁ', 'fi'), 'ﬂ', 'fl'), 'ﬅ', 'st'), 'ﬆ', 'st'), 'ǆ', 'dz'), 'Ǆ', 'DZ'), 'ǉ', 'lj'), 'Ǉ', 'LJ'),
    'ǌ', 'nj'), 'Ǌ', 'NJ');

-- Marks above and below letters go, but in scripts whose vowels and voicing are marks (from Devanagari to Tibetan and
-- Myanmar, Khmer, kana), where a name without them is another name.
CREATE OR REPLACE MACRO fold_marks(text) AS
    CASE
        WHEN regexp_matches(text, '[\x{0900}-\x{109F}\x{1780}-\x{17FF}\x{3040}-\x{30FF}]') THEN nfc_normalize(text)
        ELSE strip_accents(text)
    END;

-- Upper case with diacritics folded to ASCII, for comparison. ASCII text (bytes = characters) takes the short way.
CREATE OR REPLACE MACRO fold_text(text) AS
    CASE
        WHEN strlen(text) = length(text) THEN upper(text)
        WHEN regexp_full_match(text, '[\x{0001}-\x{007E}À-ÅÇ-ÏÑ-ÖÙ-Ýà-åç-ïñ-öù-ýÿ]*') THEN upper(strip_accents(text))
        ELSE upper(fold_special_letters(fold_marks(text)))
    END;

-- A value as delivered without blanks around it; null where nothing is left.
CREATE OR REPLACE MACRO trimmed(text) AS
    CASE
        WHEN ascii(text) BETWEEN 33 AND 126 AND ascii(right(text, 1)) BETWEEN 33 AND 126 THEN text
        ELSE nullif(trim(text, E' \t\n\r' || chr(160)), '')
    END;

-- What a provider's own code stands for in the canonical code list; a code that its map does not name stays as it is.
-- Codes are looked up as written, then in upper case (config.Column.codes has them both ways); `codes` is null where the
-- column has no map.
CREATE OR REPLACE MACRO provider_value(codes, text) AS
    CASE WHEN codes IS NULL THEN text ELSE nullif(coalesce(codes[text], codes[upper(text)], text), '') END;

-- Whether a flag is up, in any of the ways that systems write it; null where it is empty or none of them.
CREATE OR REPLACE MACRO flag_of(text) AS
    CASE
        WHEN text IS NULL THEN NULL
        WHEN upper(trim(text)) IN ('TRUE', 'T', 'Y', 'YES', '1', '1.0', 'S', 'R', 'V', 'X') THEN true
        WHEN upper(trim(text)) IN ('FALSE', 'F', 'N', 'NO', '0', '0.0', 'U', '') THEN false
    END;

-- Letters and digits in upper case with one blank between words; apostrophes join what they part (O'NEILL, ST JAMES').
CREATE OR REPLACE MACRO words_of(folded) AS
    CASE
        WHEN regexp_full_match(replace(folded, ', ', ' '), '[A-Z0-9]+( [A-Z0-9]+)*') THEN replace(folded, ', ', ' ')
        WHEN strlen(folded) = length(folded)
            THEN nullif(trim(regexp_replace(replace(folded, '''', ''), '[^A-Z0-9]+', ' ', 'g')), '')
        ELSE nullif(trim(regexp_replace(replace(folded, '''', ''), '[^\pL\pM\pN]+', ' ', 'g')), '')
    END;

-- Names -------------------------------------------------------------------------------------------------------------

-- Test patients go by their names where no flag says so: ZZTEST, XXTESTPATIENTAAVB, TEST PATIENT, ZZZ... A person called
-- Tester, Testa or Ernest Patient is none.
CREATE OR REPLACE MACRO is_test_patient_name(given_name, family_name) AS
    regexp_matches(
        upper(concat_ws(' ', given_name, family_name)),
        '\b(ZZ+|XX+)[ _-]?(TEST|DUMMY|TRAINING|DO ?NOT ?USE|PATIENT)|\bZZZ|\bTEST[ _-]?(PATIENT|PERSON|RECORD)|'
        || '\bDUMMY[ _-]?(PATIENT|PERSON|RECORD)|^(TEST|TESTING) (TEST|TESTING)$|\bPATIENT TEST$'
    );

-- "SMITH, John" in one field: what stands after the comma, and before it. A comma without letters on both sides, or
-- before a generation (SMITH, JR), parts nothing.
CREATE OR REPLACE MACRO has_two_names(text) AS
    contains(text, ',') AND regexp_matches(text, '^[^,]*\pL[^,]*,[^,]*\pL')
    AND NOT regexp_matches(text, '(?i),\s*(jr|jnr|junior|sr|snr|senior|ii|iii|iv)\.?\s*$');
CREATE OR REPLACE MACRO name_after_comma(text) AS trim(regexp_extract(text, '^[^,]*,(.*)$', 1));
CREATE OR REPLACE MACRO name_before_comma(text) AS trim(regexp_extract(text, '^([^,]*),', 1));

-- Words that part a name from another name of the person. NEE, FORMERLY and their like are followed by a previous name.
CREATE OR REPLACE MACRO previous_name_words() AS
    'NEE|FORMERLY KNOWN AS|FORMERLY|PREVIOUSLY KNOWN AS|PREVIOUSLY|MAIDEN NAME';
CREATE OR REPLACE MACRO other_name_words() AS
    'ALSO KNOWN AS|KNOWN AS|AKA|A\.K\.A\.?|A/K/A|NICKNAME|GOES BY|LIKES TO BE KNOWN AS|LIKES TO BE CALLED|'
    || 'PREFERS TO BE KNOWN AS|PREFERS TO BE CALLED|PREFERS TO BE|PREFERS|PREFERRED NAME|PREFERRED|ALIAS:';

-- Whether a folded name may hold another name: brackets, double quotes, or one of those words.
CREATE OR REPLACE MACRO name_has_aside(folded) AS
    regexp_matches(folded, '[(\["]|\b(?:' || previous_name_words() || '|' || other_name_words() || ')');

-- A folded name without what stands in brackets or double quotes, unless that is all there is; and what stands there
-- (nothing where it is all there is: then only the marks have been blanked, and the name is as long as before).
CREATE OR REPLACE MACRO name_outside_brackets(folded) AS
    CASE
        WHEN regexp_matches(regexp_replace(folded, '[(\["][^)\]"]*[)\]"]?', ' ', 'g'), '\pL')
            THEN regexp_replace(folded, '[(\["][^)\]"]*[)\]"]?', ' ', 'g')
        ELSE translate(folded, '()[]"', '     ')
    END;
CREATE OR REPLACE MACRO name_inside_brackets(folded, outside_brackets) AS
    CASE
        WHEN length(outside_brackets) < length(folded) THEN regexp_extract(folded, '[(\["]([^)\]"]*)[)\]"]?', 1)
    END;

-- A folded name before one of the words above, and from that word on: both sides must hold a letter, so that a person
-- whose name is Nee keeps it.
CREATE OR REPLACE MACRO name_before_aside(folded) AS
    regexp_replace(
        folded,
        '^(.*?\pL.*?)[\s,;:/-]+(?:' || previous_name_words() || '|' || other_name_words() || ')[\s:,-].*\pL.*$', '\1'
    );
CREATE OR REPLACE MACRO name_from_aside(folded) AS
    regexp_extract(
        folded,
        '^.*?\pL.*?[\s,;:/-]+((?:' || previous_name_words() || '|' || other_name_words() || ')[\s:,-].*\pL.*)$', 1
    );

-- The other name that a folded name holds, with the word that names it: what stands after such a word, else in brackets.
CREATE OR REPLACE MACRO name_aside(folded, outside_brackets) AS
    coalesce(
        nullif(name_from_aside(outside_brackets), ''), nullif(name_inside_brackets(folded, outside_brackets), '')
    );

-- Names that are there, each once.
CREATE OR REPLACE MACRO names_listed(names) AS
    CASE WHEN len(list_filter(names, lambda name: name IS NOT NULL)) > 0
        THEN list_distinct(list_filter(names, lambda name: name IS NOT NULL)) END;

-- Names that are letters and blanks only: apostrophes and digits go (O'BRIEN, OBRIEN), other marks part words.
-- Letters of any script stay.
CREATE OR REPLACE MACRO name_words(folded) AS
    CASE
        WHEN regexp_full_match(folded, '[A-Z]+( [A-Z]+)*') THEN folded
        WHEN strlen(folded) = length(folded)
            THEN nullif(trim(regexp_replace(regexp_replace(folded, '[''`0-9]+', '', 'g'), '[^A-Z]+', ' ', 'g')), '')
        ELSE nullif(trim(regexp_replace(regexp_replace(folded, '[''`\pN]+', '', 'g'), '[^\pL\pM]+', ' ', 'g')), '')
    END;

-- Each word once, in order (SMITH SMITH comes of joining a name with itself).
CREATE OR REPLACE MACRO words_once(words) AS
    CASE
        WHEN contains(words, ' ') THEN CASE
            WHEN regexp_matches(words, ' [^ ]+ ') THEN list_transform(
                [string_split(words, ' ')],
                lambda parts: array_to_string(list_filter(parts, lambda part, i: list_position(parts, part) = i), ' ')
            )[1]
            WHEN split_part(words, ' ', 1) = split_part(words, ' ', 2) THEN split_part(words, ' ', 1)
            ELSE words
        END
        ELSE words
    END;

-- Titles at the head of a name: moved out where a name follows.
CREATE OR REPLACE MACRO title_words() AS
    'MR|MRS|MISS|MS|MX|MSTR|MASTER|DR|DOCTOR|PROF|PROFESSOR|SIR|DAME|REV|REVD|REVEREND|FATHER|SISTER';
CREATE OR REPLACE MACRO name_title(words) AS
    nullif(trim(regexp_extract(words, '^((?:(?:' || title_words() || ') )+)', 1)), '');
CREATE OR REPLACE MACRO name_without_title(words) AS
    CASE
        WHEN contains(words, ' ') THEN regexp_replace(words, '^(?:(?:' || title_words() || ') )+', '')
        ELSE words
    END;

-- MC DONALD, MAC DONALD, O BRIEN and D SOUZA are the family names MCDONALD, MACDONALD, OBRIEN and DSOUZA.
-- VAN, DE, AL, BIN, SINGH and KAUR stay words of their own.
CREATE OR REPLACE MACRO family_name_joined(words) AS
    CASE
        WHEN contains(words, ' ') THEN regexp_replace(words, '^(MC|MAC|O|D) ([A-Z]{3,})', '\1\2')
        ELSE words
    END;

-- Why a name is none, or null. A family name may be Boy, Male, Baby or Null's neighbour Name only where it stands alone
-- in the list of family names below, so that list is shorter.
CREATE OR REPLACE MACRO name_is_nothing() AS
    'NULL|NONE|NOT KNOWN|NOT GIVEN|NOT STATED|NOT RECORDED|NOT APPLICABLE|NOT AVAILABLE|UNKNOWN( UNKNOWN)?|UNK|UNNAMED|'
    || 'UNDECIDED|NO ?NAME|NO NAME GIVEN|NO FIRST NAME|NO FORENAME|NO SURNAME|NO LAST NAME|FORENAME|FIRST ?NAME|'
    || 'GIVEN NAME|SURNAME|LAST ?NAME|FAMILY NAME|N A|N K|NK|TBC|TBA|ANON|ANONYMOUS|TEST|TESTING|DUPLICATE|DO NOT USE|'
    || 'DECEASED|XX+|ZZ+';
CREATE OR REPLACE MACRO given_name_fault(words) AS
    CASE
        WHEN regexp_full_match(
            words,
            name_is_nothing() || '|NAME|(MALE|FEMALE|NEWBORN|NEW BORN)?( ?(BABY|INFANT|CHILD|BOY|GIRL|TWIN|TRIPLET))?'
            || '( (ONE|TWO|THREE|FIRST|SECOND|THIRD|I|II|III|A|B|C|BOY|GIRL|MALE|FEMALE))*|BABY(BOY|GIRL|ONE|TWO)|'
            || '((MALE|FEMALE|NEWBORN|FIRST|SECOND) )*(BABY|INFANT|INF|BOY|GIRL|TWIN|TRIPLET|BABYOF|BABY OF)'
            || '( (ONE|TWO|THREE|I|II|III|A|B|C|BOY|GIRL))* OF( .*)?|BABYOF .*'
        ) THEN 'placeholder_name'
        WHEN regexp_full_match(words, title_words()) AND words NOT IN ('MASTER', 'DOCTOR', 'FATHER', 'SISTER')
            THEN 'title_only'
    END;
CREATE OR REPLACE MACRO family_name_fault(words) AS
    CASE
        WHEN regexp_full_match(words, name_is_nothing() || '|BABY|INFANT|NEWBORN|(BABY|INFANT|TWIN) OF( .*)?')
            THEN 'placeholder_name'
        WHEN words IN ('MR', 'MRS', 'MISS', 'MS', 'MX', 'DR') THEN 'title_only'
    END;

-- Another name of the person, found in a name field, without the word that names it.
CREATE OR REPLACE MACRO name_of_aside(aside) AS
    regexp_replace(aside, '^[\s,;:/-]*(?:' || previous_name_words() || '|' || other_name_words() || ')\b', '');
CREATE OR REPLACE MACRO is_previous_name(aside) AS regexp_matches(aside, '^\s*(?:' || previous_name_words() || ')\b');

-- Dates -------------------------------------------------------------------------------------------------------------

-- A date and time as delivered: in the provider's own format where it gives one (with a time of day after it or not,
-- whichever the format says), else ISO 8601, with or without a time, also as eight digits. `format` is constant.
CREATE OR REPLACE MACRO timestamp_of(text, format) AS
    CASE
        WHEN text IS NULL THEN NULL
        WHEN format IS NOT NULL THEN try_strptime(
            text, [format, format || ' %H:%M:%S', format || ' %H:%M', regexp_replace(format, '[T, ]*%-?[HI].*$', '')]
        )
        WHEN regexp_full_match(text, '[0-9]{4}-[0-9]{2}-[0-9]{2}') THEN try_cast(text AS DATE)::TIMESTAMP
        WHEN regexp_matches(text, '^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?')
            THEN try_cast(replace(regexp_extract(text, '^([0-9-]{10}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2})?)', 1), 'T', ' ')
                || CASE WHEN text[17] = ':' THEN '' ELSE ':00' END AS TIMESTAMP)
        WHEN regexp_full_match(text, '[0-9]{8}') THEN try_strptime(text, '%Y%m%d')
    END;

-- A two-digit year that comes out after the night is of the century before.
CREATE OR REPLACE MACRO not_after(time, format, night) AS
    CASE
        WHEN contains(coalesce(format, ''), '%y') AND time::DATE > night THEN time - INTERVAL 100 YEAR
        ELSE time
    END;

-- Whether a date names a month only: the provider's format has no day, or the text is an ISO month.
CREATE OR REPLACE MACRO is_month_only(text, format) AS
    CASE
        WHEN format IS NULL THEN regexp_full_match(text, '[0-9]{4}-[0-9]{2}')
        ELSE NOT regexp_matches(format, '%-?[djxc]')
    END;

-- Dates that systems write for "not known": their zero days, the end of their time, and typed ones.
CREATE OR REPLACE MACRO is_placeholder_date(day) AS
    day IN (
        DATE '0001-01-01', DATE '1111-11-11', DATE '1582-10-15', DATE '1753-01-01', DATE '1800-01-01', DATE '1899-12-30',
        DATE '1899-12-31', DATE '1900-01-01', DATE '1901-01-01', DATE '2999-12-31', DATE '9999-01-01', DATE '9999-12-30',
        DATE '9999-12-31'
    );

-- Why a delivered date is set to null, or null. `earliest` and `latest` are the plausible days.
CREATE OR REPLACE MACRO date_fault(text, format, time, earliest, latest) AS
    CASE
        WHEN text IS NULL THEN NULL
        WHEN is_month_only(text, format) THEN 'month_only'
        WHEN time IS NULL THEN 'not_a_date'
        WHEN time::DATE BETWEEN earliest AND latest AND NOT is_placeholder_date(time::DATE) THEN NULL
        WHEN is_placeholder_date(time::DATE) THEN 'placeholder_date'
        WHEN time::DATE < earliest THEN 'too_early'
        ELSE 'in_future'
    END;

-- The same for a date of care, which may lie ahead (a review, a booked contact) but not by more than ten years.
CREATE OR REPLACE MACRO event_date_fault(text, format, time, night) AS
    date_fault(text, format, time, DATE '1900-01-02', (night + INTERVAL 10 YEAR)::DATE);

-- Whether something ended on a day before it started; by day, for many systems keep no time of day.
CREATE OR REPLACE MACRO is_before_start(end_time, start_time) AS
    coalesce(end_time::DATE < start_time::DATE AND NOT is_placeholder_date(start_time::DATE), false);

-- A whole number of something, not negative and within what a column of 32 bits holds; null where it is none.
CREATE OR REPLACE MACRO count_of(text) AS
    CASE WHEN try_cast(text AS DOUBLE) BETWEEN 0 AND 2000000000 THEN try_cast(text AS DOUBLE)::INTEGER END;

-- A measured number as written with a decimal point; null where it is none (7,5; <5; a remark), for nothing is guessed,
-- and where it is greater than anything that is measured.
CREATE OR REPLACE MACRO number_of(text) AS
    CASE WHEN regexp_full_match(text, '[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,2})?')
            AND abs(try_cast(ltrim(text, '+') AS DOUBLE)) <= 1e15
        THEN try_cast(ltrim(text, '+') AS DOUBLE) END;

-- Codes -------------------------------------------------------------------------------------------------------------

-- Sex or administrative gender: M, F, O; null where not known or not specified (0, 9, X, U, I), which is no value.
CREATE OR REPLACE MACRO sex_of(text) AS
    CASE upper(text)
        WHEN 'M' THEN 'M' WHEN '1' THEN 'M' WHEN 'MALE' THEN 'M' WHEN '01' THEN 'M' WHEN 'MAN' THEN 'M'
        WHEN 'F' THEN 'F' WHEN '2' THEN 'F' WHEN 'FEMALE' THEN 'F' WHEN '02' THEN 'F' WHEN 'WOMAN' THEN 'F'
        WHEN 'O' THEN 'O' WHEN 'OTHER' THEN 'O' WHEN '3' THEN 'O' WHEN '4' THEN 'O' WHEN 'NON-BINARY' THEN 'O'
    END;
CREATE OR REPLACE MACRO sex_fault(text, sex) AS
    CASE
        WHEN text IS NULL OR sex IS NOT NULL THEN NULL
        WHEN upper(text) IN ('0', '9', '00', '09', 'X', 'U', 'I', 'Z', 'N', 'UNKNOWN', 'NOT KNOWN', 'NOT SPECIFIED',
            'NOT STATED', 'INDETERMINATE') THEN 'not_known'
        ELSE 'not_in_code_list'
    END;

-- Ethnic category 2001: A to S without I, O and Q, Z not stated, 99 not known.
CREATE OR REPLACE MACRO ethnicity_of(text) AS
    CASE WHEN regexp_full_match(upper(text), '[A-HJ-NPRSZ]|99') THEN upper(text) END;

-- NHS NUMBER STATUS INDICATOR CODE: 01 to 08; a lost leading zero is put back.
CREATE OR REPLACE MACRO nhs_number_status_of(text) AS
    CASE WHEN regexp_full_match(text, '0?[1-8]') THEN lpad(text, 2, '0') END;

-- General medical practice: letter and five digits (A81001), or the newer five letters and digits; and why not.
CREATE OR REPLACE MACRO practice_code(text) AS
    CASE
        WHEN regexp_full_match(text, '[A-Z][0-9]{5}') THEN text
        ELSE upper(regexp_replace(text, '[^A-Za-z0-9]', '', 'g'))
    END;
CREATE OR REPLACE MACRO practice_code_fault(code) AS
    CASE
        WHEN code IS NULL THEN NULL
        WHEN code = 'V81997' THEN 'not_registered'
        WHEN code IN ('V81998', 'X99998') THEN 'not_applicable'
        WHEN code IN ('V81999', 'X99999', 'Q99') THEN 'not_known'
        WHEN code IN ('89999', '89997', 'XMD00') THEN 'default_code'
        WHEN NOT regexp_full_match(code, '[A-Z0-9]{3,6}') THEN 'not_a_practice_code'
    END;

-- Postcodes ---------------------------------------------------------------------------------------------------------

-- O and 0, I and 1, in a postcode without blanks, put right where the form leaves no choice: the inward code begins with
-- a digit; the first character is a letter; the last of the outward code is a digit, for O and I end no outward code;
-- the second is a digit in a code of two, and a letter O only in CO, PO, SO and YO; no area has I as its second letter.
CREATE OR REPLACE MACRO postcode_mended(compact) AS
    CASE WHEN length(compact) BETWEEN 5 AND 7 AND compact <> 'GIR0AA' THEN
        translate(compact[1], '01', 'OI')
        || CASE
            WHEN length(compact) = 5 THEN ''
            WHEN compact[2] = '0' AND translate(compact[1], '01', 'OI') IN ('C', 'P', 'S', 'Y') THEN 'O'
            WHEN compact[2] = 'I' AND length(compact) = 6 THEN '1'
            ELSE compact[2]
        END
        || CASE WHEN length(compact) = 7 THEN translate(compact[3], 'OI', '01') ELSE '' END
        || translate(compact[-4], 'OI', '01') || translate(compact[-3], 'OI', '01') || compact[-2:]
    ELSE compact END;

-- A postcode in upper case without blanks and marks.
CREATE OR REPLACE MACRO postcode_compact(text) AS regexp_replace(fold_text(text), '[^A-Z0-9]', '', 'g');

-- Whether a postcode is in normal form, without a letter or digit that may have been mistaken: the usual case. The
-- normal form of any other, from its postcode_compact; text that is no UK postcode stays so, for postcode_fault to name.
CREATE OR REPLACE MACRO postcode_is_normal(text) AS
    regexp_full_match(text, '([A-Z][A-HJ-NP-Z]|[A-HJ-NP-Z]|[CPSY]O)[1-9][A-HJ-NP-Z0-9]? [0-9][A-Z]{2}');
CREATE OR REPLACE MACRO postcode_of(compact) AS
    regexp_replace(postcode_mended(compact), '^([A-Z]{1,2}[0-9][A-Z0-9]?|GIR)([0-9][A-Z]{2})$', '\1 \2');

-- Why a postcode_of is set to null, or null. ZZ99 postcodes stand for no fixed abode, not known, or a country.
CREATE OR REPLACE MACRO postcode_fault(postcode) AS
    CASE
        WHEN postcode IS NULL THEN NULL
        WHEN postcode IN ('ZZ99 3VZ', 'NF1 1NF') THEN 'no_fixed_abode'
        WHEN postcode IN ('ZZ99 3WZ', 'NK1 1NK') THEN 'not_known'
        WHEN regexp_matches(postcode, '^ZZ') THEN 'pseudo_postcode'
        WHEN regexp_full_match(postcode, 'XX[0-9].*|AA1 1AA|A1 1AA|AA9A? 9AA') THEN 'placeholder_postcode'
        WHEN regexp_full_match(postcode, '[A-Z]{1,2}[0-9][A-Z0-9]? [0-9][A-Z]{2}|GIR 0AA') THEN NULL
        WHEN regexp_full_match(postcode, '[A-Z]{1,2}[0-9][A-Z0-9]?') THEN 'outward_code_only'
        ELSE 'not_a_uk_postcode'
    END;

-- Addresses and contacts --------------------------------------------------------------------------------------------

-- Why the words of an address are none, or null.
CREATE OR REPLACE MACRO address_fault(words) AS
    CASE
        WHEN words IS NULL THEN 'no_letters'
        WHEN regexp_matches(words, '^(NFA|HOMELESS|OF NO FIXED ABODE)$|\bNO FIXED (ABODE|ADDRESS)\b') THEN 'no_fixed_abode'
        WHEN regexp_full_match(
            words,
            '(ADDRESS )?(UNKNOWN|NOT KNOWN|NOT GIVEN|NOT STATED|NOT RECORDED|NOT AVAILABLE|WITHHELD|TBC|TBA|NULL|NONE|'
            || 'XX+|N A|NO ADDRESS|ADDRESS|TEST)|UNKNOWN ADDRESS'
        ) THEN 'placeholder_address'
    END;

-- Digits of a telephone number in national form, 0 first; +44 and 0044 go, with the 0 in brackets that some write after
-- them; a lost leading zero is put back; a number abroad keeps its country after 00. Only the first of several numbers,
-- and no extension.
CREATE OR REPLACE MACRO phone_of_any_form(text) AS
    regexp_replace(
        regexp_replace(
            replace(
                regexp_replace(
                    regexp_replace(
                        regexp_replace(text, '(?i)(\d\D{0,4}?)(?:[/;,|]|\bor\b|\s*x\s*\d|\bext).*$', '\1'), '[^0-9+]', '', 'g'
                    ),
                    '^\++', '00'
                ),
                '+', ''
            ),
            '^(?:0044|44)0?([1-9][0-9]{8,9})$', '0\1'
        ),
        '^([1237][0-9]{9})$', '0\1'
    );
CREATE OR REPLACE MACRO phone_of(text) AS
    CASE
        WHEN regexp_full_match(replace(text, ' ', ''), '0[1-9][0-9]{8,9}') THEN replace(text, ' ', '')
        WHEN regexp_full_match(replace(text, ' ', ''), '\+44[1-9][0-9]{8,9}') THEN '0' || replace(text, ' ', '')[4:]
        ELSE phone_of_any_form(text)
    END;
CREATE OR REPLACE MACRO phone_fault(digits) AS
    CASE
        WHEN digits IS NULL THEN NULL
        WHEN length(digits) < 6 THEN 'too_short'
        WHEN length(digits) > 17 THEN 'too_long'
        WHEN regexp_full_match(digits, '0*(0+|1+|2+|3+|4+|5+|6+|7+|8+|9+)|07(0+|1+|2+|3+|4+|5+|6+|7+|8+|9+)|0?123456[0-9]*')
            THEN 'placeholder_phone'
    END;

-- An e-mail address in lower case, and why it is none.
CREATE OR REPLACE MACRO email_of(text) AS
    CASE WHEN starts_with(lower(text), 'mailto:') THEN trimmed(lower(text)[8:]) ELSE lower(text) END;
CREATE OR REPLACE MACRO email_fault(email) AS
    CASE
        WHEN email IS NULL THEN NULL
        WHEN NOT regexp_full_match(email, '[^@\s]+@[^@\s]+\.[^@\s.]+') THEN 'not_an_email'
        WHEN regexp_matches(
            email,
            '^(no|none|na|n\.a|nil|null|unknown|notknown|not\.known|noemail|no\.email|no-email|noreply|no-reply|donotreply|'
            || 'nobody|test|x+|refused|declined)@|@(no|none|noemail|nomail|test|x+|unknown)\.'
        ) THEN 'placeholder_email'
    END;

-- Clinical codes ----------------------------------------------------------------------------------------------------

-- ICD-10 without dot, filler X and dagger or asterisk: I10X and I10.XD are I10, G30.1+ is G301. Codes of other systems
-- (SNOMED CT in emergency care) are kept.
CREATE OR REPLACE MACRO icd10_code(text) AS
    list_transform(
        [upper(regexp_replace(text, '[^A-Za-z0-9]', '', 'g'))],
        lambda code: CASE
            WHEN regexp_matches(code, '^[A-Z][0-9][0-9A-Z]') THEN regexp_replace(code, '^(...[0-9]{0,2})X?[0-9]?[DA]?$', '\1')
            ELSE code
        END
    )[1];

-- A list of codes parted by semicolons; null where there is none.
CREATE OR REPLACE MACRO icd10_codes(text) AS
    CASE
        WHEN text IS NULL THEN NULL
        ELSE list_transform(
            [list_filter(list_transform(string_split(text, ';'), lambda code: icd10_code(code)), lambda code: code <> '')],
            lambda codes: CASE WHEN len(codes) > 0 THEN codes END
        )[1]
    END;
CREATE OR REPLACE MACRO opcs4_codes(text) AS
    CASE
        WHEN text IS NULL THEN NULL
        ELSE list_transform(
            [list_filter(
                list_transform(string_split(text, ';'), lambda code: upper(regexp_replace(code, '[^A-Za-z0-9]', '', 'g'))),
                lambda code: code <> ''
            )],
            lambda codes: CASE WHEN len(codes) > 0 THEN codes END
        )[1]
    END;

-- Emergency admission: methods that start with 2, but 2C (baby born at home as intended). Null where not known.
CREATE OR REPLACE MACRO is_emergency_admission(admission_method) AS
    admission_method[1] = '2' AND admission_method <> '2C';

-- Code system of a condition by the names that it goes by; digits only are SNOMED CT where the system is not given.
CREATE OR REPLACE MACRO coding_system_of(text, code) AS
    CASE
        WHEN text IS NULL THEN CASE WHEN regexp_full_match(code, '[0-9]{6,18}') THEN 'snomed' END
        WHEN regexp_matches(lower(text), 'snomed|^sct') THEN 'snomed'
        WHEN regexp_matches(lower(text), 'icd.?10') THEN 'icd10'
        WHEN regexp_matches(lower(text), 'ctv.?3|read.{0,3}3') THEN 'ctv3'
        WHEN regexp_matches(lower(text), 'read') THEN 'read2'
    END;

-- Reasons -----------------------------------------------------------------------------------------------------------

-- Columns set to null and why, from a list of {column_name, reason}; those without a reason are left out.
CREATE OR REPLACE MACRO reasons(pairs) AS
    map_from_entries(list_transform(
        list_filter(pairs, lambda pair: pair.reason IS NOT NULL), lambda pair: {'k': pair.column_name, 'v': pair.reason}
    ));
